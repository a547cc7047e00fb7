'use strict';

// The local cloud server from npm, as a process that tests can watch.
//
//   node server.js KEYS STATE PORT
//
// KEYS holds the server's key, cloud_private.pem, and <id>.pub.pem for every device that it is to
// know; STATE is a folder of its own, made if need be. Of each device that comes online it calls
// the function `length` once. Prints one JSON object a line: what happened to whom (`what`), and
// everything that the server logs.

const fs = require('fs');
const path = require('path');
const { Container } = require('constitute');
const { SPARK_SERVER_EVENTS, defaultBindings } = require('@brewskey/spark-protocol');

const PUBLIC = '.pub.pem';
const [KEYS, STATE] = process.argv.slice(2, 4).map((word) => path.resolve(word));
const PORT = Number(process.argv[4]);

function tell(what, details) {
  process.stdout.write(`${JSON.stringify({ what, ...details })}\n`);
}

function main() {
  fs.mkdirSync(STATE, { recursive: true });
  for (const file of fs.readdirSync(KEYS).filter((name) => name.endsWith(PUBLIC))) {
    const deviceID = file.slice(0, -PUBLIC.length);
    fs.copyFileSync(path.join(KEYS, file), path.join(STATE, file));
    // Events of a device without an owner are told to nobody.
    const attributes = JSON.stringify({ deviceID, ownerID: 'owner' });
    fs.writeFileSync(path.join(STATE, `${deviceID}.json`), attributes);
  }
  const container = new Container();
  defaultBindings(container, {
    BINARIES_DIRECTORY: path.join(STATE, 'binaries'),
    DEVICE_DIRECTORY: STATE,
    SERVER_KEYS_DIRECTORY: KEYS,
    SERVER_KEY_FILENAME: 'cloud_private.pem',
    TCP_DEVICE_SERVER_CONFIG: { HOST: 'localhost', PORT },
  });
  const events = container.constitute('EventPublisher');
  events.subscribe('*', async ({ name, data, deviceID, isInternal }) => {
    if (isInternal || !deviceID) {
      return;
    }
    tell('event', { name, data: data === undefined ? null : String(data), deviceID });
    if (name === 'spark/status' && data === 'online') {
      const answer = await events.publishAndListenForResponse({
        name: SPARK_SERVER_EVENTS.CALL_DEVICE_FUNCTION,
        context: { deviceID, functionName: 'length', functionArguments: { argument: 'abc' } },
      });
      tell('function', { deviceID, result: answer.result ?? null });
    }
  });
  container.constitute('DeviceServer').start();
}

main();
