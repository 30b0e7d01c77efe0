// Connects to a server and asks whether it lives: connect.js URI [OPTIONS AS JSON]
// Prints what became of it.
const [uri, options] = process.argv.slice(2)
require('os').release = () => '6.1.0-28-amd64' // a sample is the same whoever takes it
const { MongoClient } = require('mongodb')
const client = new MongoClient(uri, { serverSelectionTimeoutMS: 3000, connectTimeoutMS: 3000, ...JSON.parse(options ?? '{}') })
client.connect()
  .then(() => client.db('admin').command({ ping: 1 }))
  .then(r => console.log(JSON.stringify(r)), e => console.log(e.message))
  .finally(() => process.exit())
