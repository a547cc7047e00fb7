'use strict';

// The local cloud server from npm, as a process that tests can watch.
//
//   node server.js KEYS REGISTER PORT
//
// KEYS/cloud_private.pem is the server's key; REGISTER holds <id>.pub.pem for every device that
// it knows. On each device that comes online it calls the function `led` once. Prints one JSON
// object a line: what happened to whom, and everything that the server logs.

const fs = require('fs');
const path = require('path');
const { Container } = require('constitute');
const { SPARK_SERVER_EVENTS, defaultBindings } = require('@brewskey/spark-protocol');

const PUBLIC = '.pub.pem';
const [keys, register] = process.argv.slice(2, 4).map((word) => path.resolve(word));
const PORT = Number(process.argv[4]);

function tell(what, details) {
  process.stdout.write(`${JSON.stringify({ what, ...details })}\n`);
}

function main() {
  const container = new Container();
  defaultBindings(container, {
    BINARIES_DIRECTORY: path.join(register, 'binaries'),
    DEVICE_DIRECTORY: register,
    SERVER_KEYS_DIRECTORY: keys,
    SERVER_KEY_FILENAME: 'cloud_private.pem',
    TCP_DEVICE_SERVER_CONFIG: { HOST: 'localhost', PORT },
  });
  for (const file of fs.readdirSync(register).filter((name) => name.endsWith(PUBLIC))) {
    const deviceID = file.slice(0, -PUBLIC.length);
    // Events of a device without an owner are told to nobody.
    const attributes = JSON.stringify({ deviceID, ownerID: 'owner' });
    fs.writeFileSync(path.join(register, `${deviceID}.json`), attributes);
  }
  const events = container.constitute('EventPublisher');
  events.subscribe('*', async ({ name, data, deviceID, isInternal }) => {
    if (isInternal || !deviceID) {
      return;
    }
    tell('event', { name, data: data === undefined ? null : String(data), deviceID });
    if (name === 'spark/status' && data === 'online') {
      const answer = await events.publishAndListenForResponse({
        name: SPARK_SERVER_EVENTS.CALL_DEVICE_FUNCTION,
        context: { deviceID, functionName: 'led', functionArguments: { arg: 'on' } },
      });
      tell('function', { deviceID, result: answer.result ?? null });
    }
  });
  container.constitute('DeviceServer').start();
}

main();
