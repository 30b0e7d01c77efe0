// A server of one message: server.js NAME
// It is the message of the day, and what a player who joins is told before the end.
// Prints where it listens.
const [name] = process.argv.slice(2)
const server = require('minecraft-protocol').createServer({
  host: '127.0.0.1', port: 0, 'online-mode': false, motd: name, version: false,
  beforeLogin: client => client.end(`this is ${name}`)
})
server.on('listening', () => console.log(`listening on ${server.socketServer.address().port}.`))
