"""Owns which names of CPython's test modules are replaced by ported servers. Knows nothing of how tests are run."""

import ported_smtp
from ported import ThreadedServer


class PortedPOP3Server(ThreadedServer):
    kind = "pop3"

    def __setattr__(self, name, value):
        if name == "handler":
            super().__setattr__("handler_name", value.__name__)
        else:
            super().__setattr__(name, value)


class PortedFTPServer(ThreadedServer):
    kind = "ftp"


class PortedTLSFTPServer(ThreadedServer):
    kind = "ftpTls"


def replace_in_test_poplib(module):
    PortedPOP3Server.certfile = module.CERTFILE
    module.DummyPOP3Server = PortedPOP3Server


def replace_in_test_ftplib(module):
    PortedTLSFTPServer.certfile = module.CERTFILE
    module.DummyFTPServer = PortedFTPServer
    module.DummyTLS_FTPServer = PortedTLSFTPServer


def replace_in_test_smtplib(module):
    module.smtpd.DebuggingServer = ported_smtp.DebuggingServer
    module.SimSMTPServer = ported_smtp.SimSMTPServer
    module.SimSMTPUTF8Server = ported_smtp.SimSMTPUTF8Server
    module.SimSMTPAUTHInitialResponseServer = ported_smtp.SimSMTPAUTHInitialResponseServer
    module.debugging_server = ported_smtp.debugging_server


def replace_in_test_smtpd(module):
    module.smtpd.SMTPServer = ported_smtp.DirectSMTPServer
    module.smtpd.DebuggingServer = ported_smtp.DirectDebuggingServer
    module.smtpd.SMTPChannel = ported_smtp.DirectChannel
    module.DummyServer = ported_smtp.DirectDummyServer
    module.BrokenDummyServer = ported_smtp.DirectBrokenServer
    ported_smtp.EXCEPTIONS["DummyDispatcherBroken"] = module.DummyDispatcherBroken


REPLACEMENTS = {
    "test_poplib": replace_in_test_poplib,
    "test_ftplib": replace_in_test_ftplib,
    "test_smtplib": replace_in_test_smtplib,
    "test_smtpd": replace_in_test_smtpd,
}
