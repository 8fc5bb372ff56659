// The npm package `consul`, as Node services use it. Argument: the agent's host:port.
"use strict";

const assert = require("node:assert");
const { once } = require("node:events");
const Consul = require("consul");

async function main() {
  const [host, port] = process.argv[2].split(":");
  const consul = new Consul({ host, port: Number(port) });

  const watch = consul.watch({
    method: consul.health.service,
    options: { service: "node-web", wait: "20s" },
  });
  const [nobody] = await once(watch, "change");
  assert.deepStrictEqual(nobody, []);
  const registered = new Promise((resolve) => {
    // Consul also wakes who waits for a name's neighbour.
    watch.on("change", (entries) => entries.length && resolve(entries));
  });
  const check = { ttl: "20s", status: "passing", deregistercriticalserviceafter: "1h" };
  await consul.agent.service.register({ name: "node-web", id: "node-web-1", port: 80, tags: ["v1"], check });
  const entries = await registered;
  assert.deepStrictEqual(entries.map((entry) => entry.Service.Port), [80]);
  watch.end();

  await consul.agent.check.pass("service:node-web-1");
  const passing = await consul.health.service({ service: "node-web", passing: true });
  assert.strictEqual(passing.length, 1);
  const services = await consul.catalog.service.list();
  assert.deepStrictEqual(services["node-web"], ["v1"]);
  assert.strictEqual((await consul.agent.members()).length, 1);

  await consul.kv.set("node/a", "1");
  const pair = await consul.kv.get("node/a");
  assert.strictEqual(pair.Value, "1");
  assert.ok(!(await consul.kv.set({ key: "node/a", value: "2", cas: "0" })));
  assert.deepStrictEqual(await consul.kv.keys("node/"), ["node/a"]);

  const session = await consul.session.create({ ttl: "10s", lockdelay: "0s", behavior: "delete" });
  assert.strictEqual(await consul.kv.set({ key: "node/lock", value: "x", acquire: session.ID }), true);
  await consul.session.renew(session.ID);
  await consul.session.destroy(session.ID);
  assert.strictEqual(await consul.kv.get("node/lock"), undefined);

  const result = await consul.transaction.create([{ KV: { Verb: "get", Key: "node/a" } }]);
  assert.strictEqual(result.Results[0].KV.Key, "node/a");

  await consul.kv.del({ key: "node/", recurse: true });
  await consul.agent.service.deregister("node-web-1");
  assert.strictEqual(await consul.kv.get("node/a"), undefined);
  console.log("fine");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
