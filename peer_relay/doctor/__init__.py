"""The doctor: whether everything that peer-relay stands on is in order, and what to do where it is not.

1. A check is a plain function: it is given what it needs and returns a `Finding`. None reads the environment.
2. Without being asked to mend, the doctor changes nothing: neither on this machine nor in the mailbox. It looks at the
   room through a copy of its own, which is thrown away.
3. Mending discards nothing that is not rebuilt from the mailbox: what cannot be read is moved aside and named.
4. A check that crashes or does not come back in time is a finding about that check, and the next one goes on.
5. No secret is in a finding (I10), and whatever came from a peer, a remote or a file is one printable line (I9).

`findings` is what is said, `examination` how the checks are carried out, `case` what they share, and `checklist` which
there are; the other modules are the checks themselves.
"""
