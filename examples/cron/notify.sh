#!/bin/sh
# Shows a desktop notification when a question or an answer is new in peer-relay, once for each. It is for cron: it
# looks once, says nothing itself, and marks nothing as read. It shows how many wait and from whom, never what they say.
set -eu
umask 077

shown=${XDG_STATE_HOME:-$HOME/.local/state}/peer-relay-shown
# cron does not know where the desktop listens; on Linux it is here.
export DBUS_SESSION_BUS_ADDRESS="${DBUS_SESSION_BUS_ADDRESS:-unix:path=/run/user/$(id -u)/bus}"

notify() {
  if command -v notify-send >/dev/null; then
    notify-send --app-name=peer-relay "peer-relay" "$1"
  else # macOS; the text is an argument of the script and no part of it
    osascript -e 'on run argv' -e 'display notification (item 1 of argv) with title "peer-relay"' -e 'end run' "$1"
  fi
}

mkdir -p "$(dirname "$shown")"
touch "$shown"
status=0
waiting=$(peer-relay wait --timeout 0 --json 2>"$shown.problem") || status=$?
case $status in
  0) ;;
  4 | 5) exit 0 ;; # nothing waits, or the mailbox cannot be reached now: the next look may tell more
  *)
    cat "$shown.problem" >&2 # cron sends this by mail
    exit 1
    ;;
esac

# Ids are words of 26 letters and digits. What is no longer waiting is forgotten.
printf '%s\n' "$waiting" | tr -cs '0-9A-Z' '\n' | grep -x '[0-7][0-9A-Z]\{25\}' | LC_ALL=C sort >"$shown.now"
if [ -n "$(LC_ALL=C comm -13 "$shown" "$shown.now")" ]; then
  notify "$(peer-relay wait --timeout 0)"
fi
mv "$shown.now" "$shown"
