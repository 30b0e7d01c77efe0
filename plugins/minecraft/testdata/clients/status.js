// Asks a server for its status, as the list of servers does: status.js PORT VERSION HOST
// Prints its message of the day.
const [port, version, fakeHost] = process.argv.slice(2)
require('minecraft-protocol').ping({ host: '127.0.0.1', port: +port, version, fakeHost })
  .then(s => console.log(JSON.stringify(s.description))).catch(() => {})
setTimeout(() => process.exit(), 5000).unref()
