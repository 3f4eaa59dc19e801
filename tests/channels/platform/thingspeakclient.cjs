// Plays the npm package `thingspeakclient` against a server; prints what it got as one JSON object.
"use strict";
process.removeAllListeners("warning");
const { promisify } = require("node:util");
const Client = require("thingspeakclient");

const asked = JSON.parse(process.argv[2]);
const client = new Client({ server: asked.server, useTimeoutMode: false });
const call = (name, ...rest) => promisify(client[name].bind(client))(...rest);

(async () => {
  const said = {};
  said.noAccess = await call("getChannelFeeds", asked.id, {});
  await call("attachChannel", asked.id, { writeKey: asked.write, readKey: asked.read });
  said.updates = [
    await call("updateChannel", asked.id, { field1: 7, field2: 6, status: "ok" }),
    await call("updateChannel", asked.id, { field1: 8 }),
  ];
  said.feed = await call("getChannelFeeds", asked.id, { results: 10 });
  said.last = await call("getLastEntryInChannelFeed", asked.id, {});
  said.field = await call("getFieldFeed", asked.id, 2, {});
  said.lastField = await call("getLastEntryInFieldFeed", asked.id, 2, {});
  said.statuses = await call("getStatusUpdates", asked.id, {});
  said.public = await call("listPublicChannels", { page: 1 });
  said.user = await call("listUserInfo", asked.login, {});
  said.userChannels = await call("listUserChannels", asked.login, {});
  console.log(JSON.stringify(said));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
