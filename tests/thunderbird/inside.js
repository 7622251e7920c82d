"use strict";
/* Runs inside Thunderbird, with all its rights: what a user does at the window, and what a user would see. */

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout, clearTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

async function version() {
	return `Thunderbird ${Services.appinfo.version}`;
}

/** Believes this authority (base64 of its certificate) about mail servers. */
async function trust(certificate) {
	Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(certificate, "CT,,");
}

/** The outgoing server of the account: what the settings page holds, and the password that was stored with it. */
async function setServer({ port, implicit, method, user, password }) {
	for (const old of MailServices.outgoingServer.servers) {
		old.closeCachedConnections();
		MailServices.outgoingServer.deleteServer(old);
	}
	await Services.logins.removeAllLoginsAsync();
	const server = MailServices.outgoingServer.createServer("smtp");
	const smtp = server.QueryInterface(Ci.nsISmtpServer);
	smtp.hostname = "relay.test";
	smtp.port = port;
	server.username = user;
	server.socketType = implicit ? Ci.nsMsgSocketType.SSL : Ci.nsMsgSocketType.alwaysSTARTTLS;
	server.authMethod = Ci.nsMsgAuthMethod[method];
	MailServices.outgoingServer.defaultServer = server;
	MailServices.accounts.getIdentity("id1").smtpServerKey = server.key;
	await storePassword(server, user, password);
	return server.key;
}

async function storePassword(server, user, password) {
	const origin = "smtp://relay.test";
	const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
	login.init(origin, null, origin, user, password, "", "");
	await Services.logins.addLoginAsync(login);
}

/**
 * Presses the buttons of every dialog that opens, as a user would, and notes what stood in it.
 * `answers` says per dialog, in order, "cancel", "extra1", "accept" or { type: TEXT }; those beyond are cancelled.
 */
class Dialogs {
	constructor(answers) {
		this.seen = [];
		this.answers = answers;
		Services.obs.addObserver(this, "common-dialog-loaded");
	}

	observe(window) {
		const dialog = window.Dialog;
		const { title, text, label, promptType } = dialog.args;
		const names = ["button0Label", "button1Label", "button2Label"];
		this.seen.push({
			title,
			text: text ?? label,
			kind: promptType,
			buttons: names.map(n => dialog.args[n]).filter(l => l),
		});
		let answer = this.answers.shift() ?? (promptType == "alert" ? "accept" : "cancel");
		if (answer.type !== undefined) {
			dialog.ui.password1Textbox.value = answer.type;
			answer = "accept";
		}
		setTimeout(() => window.document.querySelector("dialog").getButton(answer).click(), 0);
	}

	end() {
		Services.obs.removeObserver(this, "common-dialog-loaded");
		return this.seen;
	}
}

/** Writes a message and presses "Send". { status, dialogs }: 0 is sent; each dialog as it was shown. */
async function send(letter) {
	const identity = MailServices.accounts.getIdentity("id1");
	identity.email = letter.from;
	const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
	fields.from = `Alice <${letter.from}>`;
	fields.to = letter.to;
	fields.cc = letter.cc;
	fields.bcc = letter.bcc;
	fields.subject = letter.subject;
	fields.body = letter.body;
	fields.DSN = letter.wantsReceipt;
	for (const { path, name } of letter.attachments) {
		const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
		file.initWithPath(path);
		const attachment = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
		attachment.url = Services.io.newFileURI(file).spec;
		attachment.name = name;
		fields.addAttachment(attachment);
	}
	const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
	params.composeFields = fields;
	params.format = Ci.nsIMsgCompFormat.PlainText;
	const compose = MailServices.compose.initCompose(params);
	const dialogs = new Dialogs(letter.answers);
	let timer;
	const status = await new Promise(resolve => {
		timer = setTimeout(() => resolve("no end"), 100000);
		compose.addMsgSendListener({
			QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
			onStartSending() {},
			onSendProgress() {},
			onProgress() {},
			onStatus() {},
			onStopSending: (id, result) => resolve(result),
			onTransportSecurityError() {},
			onSendNotPerformed() {},
			onGetDraftFolderURI() {},
		});
		const done = compose.sendMsg(Ci.nsIMsgCompDeliverMode.Now, identity, "account1", null, null);
		done?.catch?.(() => {});
	});
	clearTimeout(timer);
	// The dialog that tells of the failure opens after the listener was told.
	await new Promise(resolve => setTimeout(resolve, 300));
	return { status, dialogs: dialogs.end() };
}
