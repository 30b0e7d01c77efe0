// Asks a server for its status as tools do: ping.js PORT HOST KIND
// KIND is status, or statusFE, statusFE01, statusFE01FA for the clients before 1.4,
// 1.6 and 1.7.
const [port, host, kind] = process.argv.slice(2)
require('minecraft-server-util')[kind](host, +port, { timeout: 3000, enableSRV: false })
  .then(s => console.log(JSON.stringify(s.motd))).catch(() => {})
