// Who is at the other end of a connection, by its credential or by the certificate of its TLS connection.

import NIOCore
import WireProtocol

/// What a hello shows of its sender.
enum Caller {
    /// A client that may do something here.
    case known(Access)
    /// Nobody that is known, in words for the peer.
    case turnedAway(String)

    init(_ hello: Wire.Hello, on channel: (any Channel)?, of core: ServerCore) {
        var certificate: String?
        if let security = core.security, security.verifiesClients, let channel {
            switch CertificateName.of(channel) {
            case .name(let name): certificate = name
            case .none:
                self = .turnedAway("a client certificate is needed: --cert and --key")
                return
            case .ambiguous(let count):
                self = .turnedAway(
                    "the client certificate has \(count) names: exactly one URI or DNS name must say who it is"
                )
                return
            }
        }
        if let access = core.authorisation.access(
            credential: hello.credential, certificate: certificate, clientName: hello.clientName)
        {
            self = .known(access)
        } else if !hello.credential.isEmpty {
            self = .turnedAway("the credential is not known here: check the token file")
        } else if certificate == nil {
            self = .turnedAway("a credential is needed here: connect with a token (--token-file)")
        } else {
            self = .turnedAway(
                "the certificate's name is in no entry of the credentials file: add it there")
        }
    }
}
