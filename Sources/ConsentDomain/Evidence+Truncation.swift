// IP addresses of evidence are kept without the part that singles out a person's line.

extension Evidence {
    /// The same with the IP address cut to its network: the first 24 bits of IPv4, the first 48 of IPv6. What
    /// is no IP address is dropped.
    public var truncated: Evidence {
        var copy = self
        copy.ip = Self.network(of: ip)
        return copy
    }

    private static func network(of ip: String) -> String {
        let octets = ip.split(separator: ".", omittingEmptySubsequences: false)
        if octets.count == 4, octets.allSatisfy(isOctet) { return octets[..<3].joined(separator: ".") + ".0" }
        let groups = ip.split(separator: ":", omittingEmptySubsequences: false)
        // Eight groups, or fewer with `::`, which leaves an empty one.
        guard (3...9).contains(groups.count), groups.count == 8 || groups.contains(where: \.isEmpty),
            groups.allSatisfy(isGroup)
        else { return "" }
        return groups.prefix(3).prefix { !$0.isEmpty }.joined(separator: ":").lowercased() + "::"
    }

    private static func isOctet(_ text: Substring) -> Bool {
        (1...3).contains(text.utf8.count) && text.utf8.allSatisfy { $0 &- 48 < 10 } && UInt8(text) != nil
    }

    private static func isGroup(_ text: Substring) -> Bool {
        text.utf8.count <= 4 && text.utf8.allSatisfy { $0 &- 48 < 10 || ($0 | 0x20) &- 97 < 6 }
    }
}
