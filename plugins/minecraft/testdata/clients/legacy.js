// Asks a server for its status as the clients before 1.7 did, and as later ones do
// after nothing came of it: legacy.js PORT HOST
require('minecraft-ping').ping_fe01fa({ host: process.argv[3], port: +process.argv[2] }, () => {})
setTimeout(() => process.exit(), 3000)
