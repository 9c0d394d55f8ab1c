// What node-vault's users do all day, on the server at VAULT_ADDR with the root token VAULT_TOKEN.
const assert = require('assert');
const connect = (token, more) => require('node-vault')({ endpoint: process.env.VAULT_ADDR, token, ...more });
const root = process.env.VAULT_TOKEN;

const refused = async (status, promise) => {
  const error = await promise.then((answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`), (error) => error);
  assert.strictEqual(error.response && error.response.statusCode, status, error.message);
};

const flows = {
  async status(vault) {
    assert.strictEqual((await vault.health()).initialized, true);
    assert.strictEqual((await vault.initialized()).initialized, true);
    assert.strictEqual((await vault.status()).sealed, false);
    assert.ok('ha_enabled' in (await vault.leader()));
  },
  async mounts(vault) {
    await vault.mount({ mount_point: 'one', type: 'kv', description: 'first', options: { version: '1' } });
    assert.strictEqual((await vault.mounts()).data['one/'].type, 'kv');
    await vault.remount({ from: 'one', to: 'two' });
    // It moves behind the answer.
    const end = Date.now() + 20000;
    while (!('two/' in (await vault.mounts()).data)) assert.ok(Date.now() < end, 'not within 20 s');
    await vault.unmount({ mount_point: 'two' });
    await refused(400, vault.mount({ mount_point: 'x', type: 'nosuch' }));
  },
  async secrets(vault) {
    await vault.write('secret/data/app', { data: { user: 'u' } });
    assert.deepStrictEqual((await vault.read('secret/data/app')).data.data, { user: 'u' });
    await vault.update('secret/data/app', { data: { more: 1 } });
    assert.deepStrictEqual((await vault.read('secret/data/app')).data.data, { user: 'u', more: 1 });
    assert.deepStrictEqual((await vault.list('secret/metadata')).data.keys, ['app']);
    await vault.delete('secret/metadata/app');
    await refused(404, vault.read('secret/data/app'));
    await vault.mount({ mount_point: 'kv1', type: 'kv' });
    await vault.write('kv1/a', { x: '1' });
    assert.deepStrictEqual((await vault.read('kv1/a')).data, { x: '1' });
  },
  async policies(vault) {
    const rules = 'path "secret/*" { capabilities = ["read"] }';
    await vault.addPolicy({ name: 'reader', rules });
    assert.ok((await vault.policies()).data.policies.includes('reader'));
    assert.strictEqual((await vault.getPolicy({ name: 'reader' })).data.rules, rules);
    await vault.removePolicy({ name: 'reader' });
  },
  async tokens(vault) {
    // A client becomes the token it creates.
    const { auth } = await connect(root).tokenCreate({ policies: ['default'], ttl: '1h' });
    assert.strictEqual((await vault.tokenLookup({ token: auth.client_token })).data.id, auth.client_token);
    assert.strictEqual((await vault.tokenLookupAccessor({ accessor: auth.accessor })).data.accessor, auth.accessor);
    assert.ok((await vault.tokenAccessors()).data.keys.includes(auth.accessor));
    const user = connect(auth.client_token);
    await user.tokenLookupSelf();
    assert.ok((await user.tokenRenewSelf()).auth.lease_duration > 3590);
    await connect(root).tokenRenew({ token: auth.client_token });
    await vault.tokenRevokeAccessor({ accessor: auth.accessor });
    await refused(403, user.tokenLookupSelf());
    await vault.write('auth/token/roles/app', { allowed_policies: 'default', period: '1h' });
    const made = await connect(root).tokenCreateRole({ role_name: 'app' });
    await vault.tokenRevoke({ token: made.auth.client_token });
    await connect(root).tokenCreateOrphan({ ttl: '5m' });
  },
  async logins(vault) {
    await vault.enableAuth({ mount_point: 'approle', type: 'approle', description: 'machines' });
    assert.ok('approle/' in (await vault.auths()).data);
    await vault.addApproleRole({ role_name: 'app', policies: 'default', token_ttl: 600 });
    const role_id = (await vault.getApproleRoleId({ role_name: 'app' })).data.role_id;
    const { secret_id } = (await vault.getApproleRoleSecret({ role_name: 'app' })).data;
    const machine = connect();
    assert.strictEqual((await machine.approleLogin({ role_id, secret_id })).auth.metadata.role_name, 'app');
    await machine.tokenLookupSelf();
    await vault.enableAuth({ mount_point: 'userpass', type: 'userpass' });
    await vault.write('auth/userpass/users/bob', { password: 'sesame', token_policies: 'default' });
    const person = connect();
    await person.userpassLogin({ username: 'bob', password: 'sesame' });
    await person.tokenLookupSelf();
    await refused(400, connect().userpassLogin({ username: 'bob', password: 'wrong' }));
    await vault.disableAuth({ mount_point: 'approle' });
  },
  async wrapping(vault) {
    const wrapped = await vault.write('sys/wrapping/wrap', { a: 'b' }, { headers: { 'X-Vault-Wrap-TTL': '1m' } });
    assert.deepStrictEqual((await vault.unwrap({ token: wrapped.wrap_info.token })).data, { a: 'b' });
    await refused(400, vault.unwrap({ token: wrapped.wrap_info.token }));
  },
  async leases(vault) {
    await vault.mount({ mount_point: 'database', type: 'database' });
    await vault.write('database/config/main', {
      plugin_name: 'postgresql-database-plugin', allowed_roles: '*', connection_url: process.env.POSTGRES_TEMPLATE,
      username: process.env.POSTGRES_USER, password: process.env.POSTGRES_PASSWORD,
    });
    const creation_statements = 'CREATE ROLE "{{name}}" WITH LOGIN PASSWORD \'{{password}}\'';
    await vault.write('database/roles/app', { db_name: 'main', creation_statements, default_ttl: '1h' });
    const made = await vault.read('database/creds/app');
    assert.strictEqual((await vault.renew({ lease_id: made.lease_id, increment: 1800 })).lease_duration, 1800);
    await vault.revoke({ lease_id: made.lease_id });
    await refused(400, vault.renew({ lease_id: made.lease_id }));
    await vault.read('database/creds/app');
    await vault.revokePrefix({ path_prefix: 'database/creds' });
    await vault.unmount({ mount_point: 'database' });
  },
  async transit(vault) {
    await vault.mount({ mount_point: 'transit', type: 'transit' });
    await vault.transitCreateKey({ name: 'k' });
    const plaintext = Buffer.from('hello').toString('base64');
    const { ciphertext } = (await vault.encryptData({ name: 'k', plaintext })).data;
    assert.strictEqual((await vault.decryptData({ name: 'k', ciphertext })).data.plaintext, plaintext);
    assert.ok((await vault.transitReadKey({ name: 'k' })).data.latest_version === 1);
  },
  async identity(vault) {
    const { id } = (await vault.write('identity/entity', { name: 'ann' })).data;
    const mount_accessor = (await vault.auths()).data['userpass/'].accessor;
    await vault.write('identity/entity-alias', { name: 'bob', canonical_id: id, mount_accessor });
    const person = connect();
    await person.userpassLogin({ username: 'bob', password: 'sesame' });
    assert.strictEqual((await person.tokenLookupSelf()).data.entity_id, id);
    await vault.delete(`identity/entity/id/${id}`);
  },
  async audits(vault) {
    const file_path = process.env.AUDIT_FILE;
    await vault.enableAudit({ name: 'trail', type: 'file', description: 'd', options: { file_path } });
    assert.strictEqual((await vault.audits()).data['trail/'].type, 'file');
    await vault.disableAudit({ name: 'trail' });
  },
  async namespaces(vault) {
    await vault.write('sys/namespaces/team', {});
    const inside = connect(root, { namespace: 'team' });
    await inside.mount({ mount_point: 'own', type: 'kv' });
    await inside.write('own/a', { x: '1' });
    await refused(404, vault.read('own/a'));
    await inside.unmount({ mount_point: 'own' });
    await vault.delete('sys/namespaces/team');
  },
};

(async () => {
  for (const [name, flow] of Object.entries(flows)) {
    try {
      await flow(connect(root));
    } catch (error) {
      console.error(`flow ${name}:`, error.stack, error.response && JSON.stringify(error.response.body));
      process.exit(1);
    }
  }
  console.log(Object.keys(flows).join(' '));
})();
