// IP addresses of evidence are kept without the part that singles out a person's line.

extension Evidence {
    /// The same with the IP address cut to its network: the first 24 bits of IPv4, the first 48 of IPv6. What is no IP
    /// address is dropped.
    public var truncated: Evidence {
        var copy = self
        copy.ip = Self.network(of: ip)
        return copy
    }

    static func network(of ip: String) -> String {
        let octets = ip.split(separator: ".", omittingEmptySubsequences: false)
        if octets.count == 4, octets.allSatisfy({ UInt8($0) != nil }) {
            return octets[..<3].joined(separator: ".") + ".0"
        }
        let halves = ip.split(separator: "/", maxSplits: 1)
        guard let address = halves.first, address.contains(":") else { return "" }
        // The first three groups; a "::" before them stands for zeros.
        let head = address.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        var groups = head.split(separator: ":").prefix(3).map { $0.lowercased() }
        guard groups.allSatisfy({ $0.utf8.count <= 4 && UInt16($0, radix: 16) != nil }) else { return "" }
        while groups.count < 3 { groups.append("0") }
        return groups.joined(separator: ":") + "::"
    }
}
