"""A goss file at every target of a site: over SSH it has the results that it has on the machine itself."""

from __future__ import annotations

from far_side import somebody_at
from ssh_site import SiteFolder
from sshd import Sshd

GOSS = """\
file:
{{- range .Vars.files }}
  {{ . }}: {exists: true, filetype: file, contents: ["!nosuch-word"]}
{{- end }}
  /etc/mtab: {exists: true, filetype: symlink, linked-to: {have-suffix: mounts}}
  /etc/shadow: {exists: true, contents: ["/^root:/"]}
command:
  "printf 'a\\nb\\n'": {exit-status: 0, stdout: ["/^b$/", "!c"]}
  "exit 5": {exit-status: 0}
user: {root: {exists: true, uid: 0, groups: {contain-element: root}}}
group: {root: {exists: true, gid: 0}, flt-nosuch: {exists: true}}
mount: {/proc: {exists: true, filesystem: proc}}
interface: {lo: {exists: true, addrs: [127.0.0.1/8]}}
kernel-param: {kernel.ostype: {value: {have-prefix: Lin}}}
port: {"tcp:1": {listening: false}}
addr: {"tcp://127.0.0.1:1": {reachable: false}}
package: {flt-nosuch: {installed: false}}
process: {flt-nosuch: {running: false}}
matching: {given: {content: 3, matches: {lt: 4}}}
dns: {"MX:localhost": {resolvable: true}}
"""


def test_every_target_of_a_site_has_the_results_of_the_machine(ssh_server: Sshd, visit: SiteFolder) -> None:
    with somebody_at(ssh_server) as somebody:
        visit.write("goss.yaml", GOSS)
        visit.write_config(ssh_server)
        address = ssh_server.addresses[0]
        visit.write_site(
            f"far: {{address: {address}, user: {somebody.name}}}\nroot: {{address: {address}}}\n"
            "here: {local: true}"
        )
        answer = visit.check("--goss", "goss.yaml", "--vars-inline", "{files: [/etc/passwd, /etc/hosts]}")
    assert answer.code == 1, answer.err
    assert answer.err.splitlines()[0].startswith(
        "goss.yaml:20: dns MX:localhost: MX records are not asked for"
    )
    here, far, root = (answer.results(target) for target in ("here", "far", "root"))
    assert root == here
    assert len(here) == 31
    failed = {item for item, (status, _) in here.items() if status == "fail"}
    assert failed == {item for item in here if "exit-5" in item or item == "goss.group.flt-nosuch.exists"}
    assert {item: said for item, said in far.items() if said != here[item]} == {
        "goss.file.etc-shadow.contents": ("error", "denied")
    }
