"""A Thunderbird without a display, driven over Marionette: a profile of its own, code run inside the program."""

import json
import os
import shutil
import socket
import subprocess

from rig.base import LOCAL, PATIENCE, end_process, wait_for

# No wizard, no looking things up in the world outside, nothing written to folders; relay.test is this machine.
PREFERENCES = {
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "browser.shell.checkDefaultClient": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "mail.provider.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    # What it says to the server, into its log.
    "devtools.console.stdout.chrome": True,
    "mailnews.smtp.loglevel": "All",
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "marionette.port": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.localDomains": "relay.test",
    "network.proxy.type": 0,
    "toolkit.telemetry.enabled": False,
    # An account with local folders alone: what it sends goes by servers that the tests add.
    "mail.accountmanager.accounts": "account1",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server1",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.identity.id1.fullName": "Alice",
    "mail.identity.id1.useremail": "alice@example.com",
    "mail.identity.id1.valid": True,
    "mail.identity.id1.fcc": False,
    "mail.server.server1.hostname": "Local Folders",
    "mail.server.server1.name": "Local Folders",
    "mail.server.server1.type": "none",
    "mail.server.server1.userName": "nobody",
    "mail.server.server1.directory-rel": "[ProfD]Mail/Local Folders",
}


class Failed(AssertionError):
    """Code that ran inside threw an exception."""


class Thunderbird:
    def __init__(self, directory, program="thunderbird"):
        self.directory = directory
        self.profile = os.path.join(directory, "profile")
        self.program = shutil.which(program) or program
        self.log = os.path.join(directory, "thunderbird.log")
        self.process = self.socket = None
        self.number = 0
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside.js")) as f:
            self.inside = f.read()

    def start(self):
        os.makedirs(self.profile)
        with open(os.path.join(self.profile, "user.js"), "w") as f:
            for name, value in PREFERENCES.items():
                f.write("user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)))
        home = os.path.join(self.directory, "home")
        os.makedirs(home)
        env = dict(os.environ, HOME=home, MOZ_HEADLESS="1", MOZ_CRASHREPORTER_DISABLE="1")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, "--headless", "--marionette", "-remote-allow-system-access", "--no-remote",
                 "--profile", self.profile], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                start_new_session=True)
        port_file = os.path.join(self.profile, "MarionetteActivePort")
        wait_for(lambda: os.path.exists(port_file) or self.process.poll() is not None, "Marionette", 120)
        if self.process.poll() is not None:
            raise AssertionError("Thunderbird ended at once:\n" + self.text())
        self.socket = wait_for(lambda: self.connect(port_file), "Marionette's port", 60)
        self.packet()  # its greeting
        self.command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"unhandledPromptBehavior": "ignore"}}})
        self.command("Marionette:SetContext", {"value": "chrome"})
        self.command("WebDriver:SetTimeouts", {"script": int(120000 * PATIENCE)})
        return self

    @staticmethod
    def connect(port_file):
        try:
            with open(port_file) as f:
                return socket.create_connection((LOCAL, int(f.read())), 240 * PATIENCE)
        except (OSError, ValueError):
            return None

    def stop(self):
        if self.socket:
            self.socket.close()
        if self.process:
            end_process(self.process)

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    # "LENGTH:JSON" in both directions: [0, number, command, parameters], [1, number, error, result].

    def octets(self, count):
        out = b""
        while len(out) < count:
            part = self.socket.recv(count - len(out))
            if not part:
                raise AssertionError("Thunderbird closed the connection:\n" + self.text()[-3000:])
            out += part
        return out

    def packet(self):
        length = b""
        while not length.endswith(b":"):
            length += self.octets(1)
        return json.loads(self.octets(int(length[:-1])))

    def command(self, name, parameters):
        self.number += 1
        data = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(data), data))
        _, number, error, result = self.packet()
        if number != self.number:
            raise AssertionError("reply to %d instead of %d" % (number, self.number))
        if error:
            raise Failed("%s: %s\n%s" % (error["error"], error["message"], error.get("stacktrace", "")))
        return result

    def call(self, function, *arguments):
        """What a function of inside.js returns. By way of a file: Marionette gives up on code that opens a dialog."""
        path = os.path.join(self.directory, "result")
        script = ("%s\n%s(...arguments).then(value => ({ value }), error => ({ error: `${error}\\n${error.stack}` }))"
                  ".then(result => IOUtils.writeJSON(%s, result, { tmpPath: %s }));\n"
                  % (self.inside, function, json.dumps(path), json.dumps(path + ".part")))
        self.command("WebDriver:ExecuteScript", {"script": script, "args": list(arguments), "sandbox": "system"})
        wait_for(lambda: os.path.exists(path), function + " to return", 150)
        with open(path) as f:
            result = json.load(f)
        os.unlink(path)
        if "error" in result:
            raise Failed("%s: %s" % (function, result["error"]))
        return result.get("value")
