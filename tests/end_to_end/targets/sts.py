"""An STS that does what AWS does with an identity token: finds the issuer's keys and verifies the token with them.
Started with a port and the issuer that its roles trust. Prints the claims of every token it accepted."""
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
import json, urllib.request
import jwt

PORT, ISSUER = int(sys.argv[1]), sys.argv[2]
ROLE, AUDIENCE = "arn:aws:iam::111122223333:role/vault", "sts.amazonaws.com"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


def verify(token):
    with urllib.request.urlopen(f"{ISSUER}/.well-known/openid-configuration") as answer:
        configuration = json.load(answer)
    assert configuration["issuer"] == ISSUER, configuration
    key = jwt.PyJWKClient(configuration["jwks_uri"]).get_signing_key_from_jwt(token)
    algorithms = configuration["id_token_signing_alg_values_supported"]
    require = ["exp", "iat", "sub", "aud", "iss"]
    return jwt.decode(
        token, key.key, algorithms=algorithms, audience=AUDIENCE, issuer=ISSUER, options={"require": require}
    )


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, message):
        self.answer(400, f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
                         f'<Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>')

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        signed = self.headers.get("Authorization", "")
        if form["Action"] == "AssumeRoleWithWebIdentity":
            if signed or form["RoleArn"] != ROLE:
                return self.refuse("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
            try:
                claims = verify(form["WebIdentityToken"])
            except Exception as error:
                return self.refuse("InvalidIdentityToken", f"{error}")
            print(json.dumps({"claims": claims, "session": form["RoleSessionName"]}), flush=True)
            return self.answer(200, f'<AssumeRoleWithWebIdentityResponse xmlns="{NAMESPACE}">'
                '<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAFEDERATED</AccessKeyId>'
                '<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>'
                '<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>'
                '</AssumeRoleWithWebIdentityResponse>')
        if form["Action"] == "GetCallerIdentity":
            if "Credential=ASIAFEDERATED/" not in signed or self.headers.get("X-Amz-Security-Token") != "session":
                return self.refuse("InvalidClientTokenId", "The security token included in the request is invalid.")
            return self.answer(200, f'<GetCallerIdentityResponse xmlns="{NAMESPACE}"><GetCallerIdentityResult>'
                '<Arn>arn:aws:sts::111122223333:assumed-role/vault/s</Arn></GetCallerIdentityResult>'
                '</GetCallerIdentityResponse>')
        self.refuse("InvalidAction", form["Action"])


SERVER = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
print("ready", flush=True)
SERVER.serve_forever()
