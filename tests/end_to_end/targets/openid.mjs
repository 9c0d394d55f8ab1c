// One client, and whoever logs in.
import { Provider } from 'oidc-provider';

const [port, redirect] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'lessor', client_secret: 'client secret:/?', redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'], response_types: ['code'],
  }],
  claims: { openid: ['sub'], profile: ['groups', 'team'], email: ['email'] },
  pkce: { required: () => true },
  features: { deviceFlow: { enabled: true } },
  async findAccount(ctx, id) {
    const groups = id === 'alice' ? ['admins', 'staff'] : ['staff'];
    return { accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com`, groups, team: 'red' }) };
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
