// Joins a server as a player: login.js PORT VERSION HOST [forge]
// HOST is what the player typed. Prints the reason with which the server ends it.
const [port, version, host, forge] = process.argv.slice(2)
const options = { host: '127.0.0.1', port: +port, username: 'dwaar', auth: 'offline', version }
// Forge marks the host behind what it connects to, so that one has to be resolvable.
if (forge) options.host = host
else options.fakeHost = JSON.parse(`"${host}"`)
const client = require('minecraft-protocol').createClient(options)
if (forge) require('minecraft-protocol-forge').forgeHandshake(client, { forgeMods: [] })
for (const event of ['disconnect', 'kick_disconnect']) {
  client.on(event, p => {
    console.log(p.reason)
    process.exit()
  })
}
client.on('end', () => process.exit())
client.on('error', () => {})
setTimeout(() => process.exit(), 5000)
