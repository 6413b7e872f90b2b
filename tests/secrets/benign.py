"""Texts of developers in which there is no secret, though much in them looks random."""
# ruff: noqa: E501 - each of these texts is a line of somebody else's

from __future__ import annotations

import base64
import sysconfig
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from tests.secrets.corpus import TEMPLATES, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

LINES = 40
"""How many lines a chunk of real source has."""


def _uuid(random: Random) -> str:
    return filled("<h8>-<h4>-4<h3>-a<h3>-<h12>", random)


def _placeholder(random: Random) -> str:
    """Return a format of a secret as documentation shows it."""
    template = random.choice(random.choice([forms for kind, forms in TEMPLATES.items() if "PuTTY" not in kind]))
    prefix = template.partition("<")[0]
    ending = random.choice(["x" * 36, "X" * 40, "...", "<token>", "YOUR_TOKEN_HERE", "${TOKEN}", "*" * 20, "0" * 40])
    return f"Set it to `{prefix}{ending}`, see the documentation."


TEXTS: tuple[Callable[[Random], str], ...] = (
    lambda random: f"commit {filled('<h40>', random)}\nAuthor: A <a@example.com>\n\n    Fix {filled('<h7>', random)}\n",
    lambda random: f"The id is {_uuid(random)}, and the request {_uuid(random).upper()}.",
    lambda random: f"{filled('<h64>', random)}  dist/package-1.2.3.tar.gz\n{filled('<h32>', random)}  md5\n",
    lambda random: f'"integrity": "sha512-{filled("<b86>", random)}==",\n"resolved": "https://host/x-1.2.3.tgz"',
    lambda random: (
        f"github.com/x/y v1.2.3 h1:{filled('<b43>', random)}=\ngithub.com/x/y v1.2.3/go.mod h1:{filled('<b43>', random)}="
    ),
    lambda random: f"ulid 01{filled('<C24>', random)}, nanoid {filled('<u21>', random)}, oid {filled('<h24>', random)}",
    lambda random: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{filled('<b43>', random)} me@host",
    lambda random: f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{filled('<b340>', random)}== me@host",
    lambda random: (
        f"-----BEGIN CERTIFICATE-----\nMIID{filled('<b60>', random)}\n{filled('<b64>', random)}\n-----END CERTIFICATE-----"
    ),
    lambda random: f"-----BEGIN PUBLIC KEY-----\nMIIB{filled('<b60>', random)}\n-----END PUBLIC KEY-----",
    lambda random: (
        f"The file begins with `-----BEGIN {random.choice(['RSA ', 'EC ', ''])}PRIVATE KEY-----`, and the parser wants {random.choice(['PKCS8', 'PKCS1'])}.\nIs that right?"
    ),
    lambda random: f"![x](data:image/png;base64,{base64.b64encode(random.randbytes(300)).decode()})",
    lambda random: (
        f"Traceback (most recent call last):\n  File \"/srv/app/{filled('<c8>', random)}.py\", line {random.randrange(900)}, in run\n    self.client.get_secret_value(SecretId=secret_id)\nKeyError: '{filled('<h16>', random)}'"
    ),
    lambda random: (
        f"at com.company.{filled('<L12>', random)}.{filled('<L20>', random)}(Service.java:{random.randrange(900)})"
    ),
    lambda random: f"const sk_test = process.env.STRIPE_KEY; // sk_test_{filled('<A24>', random)}",
    _placeholder,
    _placeholder,
    lambda random: (
        "token = eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ." + filled("<u43>", random)
    ),
    lambda random: (
        f"postgres://{random.choice(['user', 'postgres', 'app'])}:{random.choice(['password', 'postgres', '${DB_PASSWORD}', '<password>', 'secret', '****', 'changeme', '%s'])}@{random.choice(['localhost', 'db', 'host'])}:5432/app"
    ),
    lambda random: (
        f"https://example.com:8080/@{filled('<L8>', random)}/x?next=a:b@c and http://[::1]:80/ user@host:path"
    ),
    lambda random: f"docker pull registry/app@sha256:{filled('<h64>', random)}; image id {filled('<h12>', random)}",
    lambda random: (
        f"def {filled('<L24>', random)}(pat_{filled('<L14>', random)}, key_id, secret_name, hf_dataset, npm_config):"
    ),
    lambda random: (
        f'ETag: W/"{filled("<A27>", random)}"; x-amz-request-id: {filled("<C16>", random)}; cf-ray: {filled("<h16>", random)}-FRA'
    ),
    lambda random: (
        f"Room-Mac: {filled('<h64>', random)}\nQuestion-Id: 01{filled('<C24>', random)}\nbranch peer-relay/{filled('<c16>', random)}"
    ),
    lambda random: (
        f"age1{filled('<c58>', random)} is my public key, arn:aws:iam::{filled('<d12>', random)}:role/x the role"
    ),
    lambda random: (
        f"AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY as in the documents {random.random()}"
    ),
    lambda random: (
        f"Why does the session token expire after {random.randrange(99)} minutes? See src/auth/session.py:{random.randrange(99)}"
    ),
    lambda random: f"tz {random.randbytes(400).hex()}",
    lambda random: f"blob = b'{random.randbytes(64)!r}'",
    lambda random: (
        f"{filled('<d13>', random)} xoxb- hooks.slack.com sk- ghp_ github_pat_ glpat- AKIA hf_ and so on are prefixes"
    ),
)


def _compose(random: Random) -> str:
    """Return a docker-compose file of a developer's machine."""
    name, port = random.choice(["app", "shop", "web", "billing"]), random.randrange(5000, 6000)
    return f"""services:
  db:
    image: postgres:16.4@sha256:{filled("<h64>", random)}
    environment:
      POSTGRES_USER: {name}
      POSTGRES_PASSWORD: {random.choice(["postgres", name, "devpassword", "local123", "${DB_PASSWORD:?}"])}
    ports: ["{port}:5432"]
  {name}:
    environment:
      DATABASE_URL: postgres://{name}:{random.choice([f"{name}123", "dev123", "admin1", "${DB_PASSWORD}"])}@db:5432/{name}
      REDIS_URL: redis://:{random.choice(["redis123", "local1", "foobar1"])}@localhost:6379/0
      AMQP_URL: amqp://guest:guest1@rabbitmq:5672
"""


def _example_env(random: Random) -> str:
    """Return what stands in an .env.example."""
    return f"""# Copy to .env and fill in
RAILS_MASTER_KEY=
MAILGUN_API_KEY=key-{random.choice(["x" * 32, "your-key-here", "0" * 32])}
MAILCHIMP_API_KEY={random.choice(["x" * 32 + "-us1", "0123456789abcdef0123456789abcdef-us6"[:10] + "...-us6"])}
STRIPE_SECRET_KEY=sk_test_{filled("<A24>", random)}
OPENAI_API_KEY=sk-...
RESEND_API_KEY=re_xxxxxxxx_xxxxxxxxxxxxxxxxxxxxxxxx
SENTRY_DSN=https://{filled("<h32>", random)}@o{filled("<d6>", random)}.ingest.sentry.io/{filled("<d7>", random)}
NEXT_PUBLIC_POSTHOG_KEY=phc_{filled("<A43>", random)}
MAPBOX_TOKEN=pk.eyJ{filled("<u60>", random)}.{filled("<u22>", random)}
BUILD_ID={filled("<h40>", random)}
"""


def _throw_away_login(random: Random) -> str:
    """Return an address that gives nobody access to anything."""
    host = random.choice(
        ["localhost", "127.0.0.1", "[::1]", "db.example.com", "example.org", "mail.test", "api.example", "x.invalid"]
    )
    scheme, name = random.choice(["postgres", "mysql", "amqp", "https", "mongodb+srv"]), filled("<c5>", random)
    return f"Connect with `{scheme}://{name}:{filled('<c7>', random)}1@{host}:5432/db`, it is only for the tests."


def _git_log(random: Random) -> str:
    """Return some lines of a log."""
    words = ["Bump secret_manager", "Rename key-value store", "Drop us1 shard", "Cache by key- prefix"]
    return "\n".join(f"{filled('<h9>', random)} {random.choice(words)} ({filled('<h40>', random)})" for _ in range(6))


def _fixture(random: Random) -> str:
    """Return the code of a test with things that only look like what they test."""
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    payload = (
        base64.urlsafe_b64encode(f'{{"sub":"{filled("<c8>", random)}","admin":true}}'.encode()).decode().rstrip("=")
    )
    return f"""def test_login(client):
    assert client.get("/", headers={{"Authorization": "Basic {base64.b64encode(b"user:password").decode()}"}}).ok
    assert client.get("/", auth=("admin", "hunter2")).status_code == 401
    unsigned = "{header}.{payload}.{filled("<u43>", random)}"
    assert cache.key(request) == "key-{filled("<h32>", random)}"
    assert secret_{filled("<L43>", random)} is None
"""


SNIPPETS: tuple[Callable[[Random], str], ...] = (
    _compose,
    _example_env,
    _throw_away_login,
    _throw_away_login,
    _git_log,
    _fixture,
    lambda random: (
        f"The cache key is key-{filled('<h32>', random)}, and on the other shard {filled('<h32>', random)}-us1."
    ),
    lambda random: (
        f"ETag {filled('<h32>', random)}-{random.randrange(1, 40)} of the upload; trace {filled('<h32>', random)}-{filled('<h16>', random)}-01"
    ),
    lambda random: f"func secret_{filled('<L43>', random)}() and secret_{filled('<h43>', random)}",
    lambda random: (
        f"> Authorization: Basic {base64.b64encode(b'Aladdin:open sesame').decode()}\n< HTTP/1.1 401\n< x-request-id: {_uuid(random)}"
    ),
    lambda random: (
        f'[[package]]\nname = "x"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{filled("<h64>", random)}"\n'
    ),
    lambda random: (
        f'x@^1.0.0:\n  version "1.0.3"\n  resolved "https://registry.yarnpkg.com/x/-/x-1.0.3.tgz#{filled("<h40>", random)}"\n  integrity sha512-{filled("<b86>", random)}=='
    ),
    lambda random: (
        f"mongodb+srv://<username>:<password>@cluster0.{filled('<c5>', random)}.mongodb.net/?retryWrites=true and mysql://root:root@127.0.0.1:3306/x"
    ),
    lambda random: (
        f"thread 'main' panicked at src/{filled('<c6>', random)}.rs:{random.randrange(900)}:5:\ncalled `Result::unwrap()` on an `Err` value: Auth(\"password authentication failed\")\n  0: 0x{filled('<h16>', random)} - core::panicking"
    ),
    lambda random: (
        f"GET /v1/things?page=2&sig={filled('<h40>', random)}&sv=3 took {random.randrange(900)} ms; pk_live_{filled('<A24>', random)} is public"
    ),
    lambda random: (
        f"-    key: node-${{{{ runner.os }}}}-{filled('<h64>', random)}\n+    key: key-{filled('<h32>', random)}\n"
    ),
    lambda random: (
        f"kubectl get secret app -o yaml\ndata:\n  password: cGFzc3dvcmQ=\n  username: YWRtaW4=\nuid: {_uuid(random)}"
    ),
    lambda random: (
        f"redis-py falls back to redis://default:redispass@redis:6379, sqlite:///./{filled('<c8>', random)}.db to the file"
    ),
)


def synthetic(random: Random, how_many: int) -> Iterator[str]:
    """Yield texts, each kind in its turn."""
    for _, text in zip(range(how_many), cycle((*TEXTS, *SNIPPETS)), strict=False):
        yield text(random)


def chunks(random: Random, how_many: int) -> Iterator[str]:
    """Yield random pieces of the source of this Python's standard library and installed packages."""
    paths = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")}
    files = sorted({path for folder in paths for path in folder.rglob("*.py")})
    for path in random.choices(files, k=how_many):
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        start = random.randrange(max(1, len(lines) - LINES))
        yield "\n".join(lines[start : start + LINES])
