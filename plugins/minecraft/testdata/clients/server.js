// A server of one message: server.js NAME
// It is the message of the day, and what a player who joins is told before the end.
const [name] = process.argv.slice(2)
const mc = require('minecraft-protocol')
const server = mc.createServer({ host: '127.0.0.1', port: 0, 'online-mode': false, motd: name, version: false })
server.on('listening', () => console.log(`listening on ${server.socketServer.address().port}`))
server.on('playerJoin', client => client.end(`this is ${name}`))
server.on('login', client => client.end(`this is ${name}`))
