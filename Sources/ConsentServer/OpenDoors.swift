// What may be reached from other machines, and by whom: refused at the start where anyone could come in.

import Foundation

extension ServerConfiguration {
    /// Refuses addresses that other machines can reach, where nothing keeps strangers out.
    func refuseOpenDoors() throws(ServerFailure) {
        if !Self.isLoopback(host) {
            guard let tls else {
                throw ServerFailure(
                    exitCode: 78,
                    message:
                        "other machines can reach \(host), and connections would be plain: give --tls-cert and "
                        + "--tls-key, or listen on 127.0.0.1")
            }
            guard tls.clientAuthority != nil || credentials != nil else {
                throw ServerFailure(
                    exitCode: 78,
                    message:
                        "other machines can reach \(host), and clients would not have to say who they are: give "
                        + "--client-ca (certificates) or --credentials (tokens)")
            }
        }
        if let admin, !Self.isLoopback(admin.host), tls == nil {
            throw ServerFailure(
                exitCode: 78,
                message:
                    "other machines can reach \(admin.host), and metrics would be plain: give --tls-cert and "
                    + "--tls-key, or --admin 127.0.0.1:\(admin.port)")
        }
    }

    /// Whether only this machine can reach an address.
    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" { return true }
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return four.s_addr.bigEndian >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        return withUnsafeBytes(of: six) { bytes in bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
        }
    }
}
