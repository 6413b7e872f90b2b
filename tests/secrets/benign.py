"""Texts of developers in which there is no secret, though much in them looks random."""
# ruff: noqa: E501 - each of these texts is a line of somebody else's

from __future__ import annotations

import base64
import sysconfig
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


def synthetic(random: Random, how_many: int) -> Iterator[str]:
    """Yield texts, each kind in its turn."""
    for number in range(how_many):
        yield TEXTS[number % len(TEXTS)](random)


def chunks(random: Random, how_many: int) -> Iterator[str]:
    """Yield random pieces of the source of this Python's standard library and installed packages."""
    paths = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")}
    files = sorted({path for folder in paths for path in folder.rglob("*.py")})
    for path in random.choices(files, k=how_many):
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        start = random.randrange(max(1, len(lines) - LINES))
        yield "\n".join(lines[start : start + LINES])
