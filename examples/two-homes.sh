#!/bin/sh
# Lets two people on one machine ask and answer, by the command line alone: two homes, paired over a bare repository in
# a temporary folder. It needs `peer-relay` and nothing else, touches nothing of yours, and leaves nothing behind.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Your own room, if these name one, would win over the rooms that are made here.
unset PEER_RELAY_REMOTE PEER_RELAY_ROOM_TOKEN PEER_RELAY_PEER_ID PEER_RELAY_ROOM

# Each runs `peer-relay` as one of the two, and shows what is typed.
alice() {
  echo "alice> peer-relay $*" >&2
  PEER_RELAY_HOME="$folder/alice" peer-relay "$@"
}
bob() {
  echo "bob> peer-relay $*" >&2
  PEER_RELAY_HOME="$folder/bob" peer-relay "$@"
}

# Prints a field of the JSON object on standard input, one whose value is a plain text.
field() {
  sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p"
}

# The invite goes through a pipe: it is a secret, and arguments can be seen by others.
alice init "$folder/mailbox.git" --me alice --peer bob --no-register --json | field invite | bob join --no-register

question=$(alice ask "Why does the session token expire after 15 minutes?" --hint src/auth/session.py --json |
  field question_id)
bob questions
bob answer "$question" "It cannot be revoked, so it lives briefly; see the decision." --source docs/decisions/0007.md
alice answers --mark-read

alice log
alice verify
