// The layers: which module each target may import. A target names only targets above it.
//
// The build checks that imports are declared in Package.swift; this checks that the declarations themselves
// keep to the arrows of ARCHITECTURE.md. Invariant: every folder of Sources has a row, so a new target needs
// a decision here.

enum LayerRules {
    /// Modules that come with the toolchain; every target may import them.
    static let toolchain: Set<String> = [
        "Foundation", "FoundationEssentials", "Synchronization", "Glibc", "Musl", "Darwin", "Dispatch",
        "Swift",
    ]

    /// SwiftNIO: only where the sockets are.
    static let socketTargets: Set<String> = ["ConsentServer", "ConsentClient", "LoadGenerator"]

    /// What each target may import, bar the toolchain and SwiftNIO.
    static let allowed: [String: Set<String>] = [
        "CSQLite": [], "CZlib": [], "CIdn2": [], "CPlatform": [], "CScrub": [], "Failpoint": [],
        "WireProtocol": ["CPlatform", "CZlib"],
        "ConsentDomain": ["CPlatform", "CIdn2", "Crypto"],
        "ConsentProof": ["Crypto"],
        "ProtogenCore": [],
        "ConsentWire": ["WireProtocol", "ConsentDomain"],
        "ConsentIndex": ["ConsentDomain", "CPlatform", "Failpoint"],
        "ConsentRegister": [
            "ConsentDomain", "ConsentProof", "CPlatform", "CSQLite", "CScrub", "CZlib", "Failpoint",
            "Crypto",
        ],
        "ConsentClient": ["WireProtocol", "ConsentDomain", "ConsentWire", "ConsentProof"],
        "ConsentServer": [
            "WireProtocol", "ConsentDomain", "ConsentProof", "ConsentWire", "ConsentIndex", "ConsentRegister",
            "CPlatform", "Failpoint", "Logging", "Crypto", "Yams",
        ],
        "LoadGenerator": [
            "WireProtocol", "ConsentDomain", "ConsentWire", "ConsentClient", "CPlatform", "CZlib",
            "Histogram",
        ],
        "consentd": [
            "ConsentServer", "ConsentRegister", "Failpoint", "Logging", "UnixSignals", "ArgumentParser",
        ],
        "consentctl": ["ConsentClient", "ConsentDomain", "ConsentProof", "ArgumentParser"],
        "consent-load": ["LoadGenerator", "ConsentClient", "ArgumentParser"],
        "protogen": ["ProtogenCore", "ArgumentParser"],
    ]

    /// The target that a file belongs to, or nil for files of no target.
    static func target(of path: String) -> String? {
        if path.hasPrefix("tools/protogen/Core/") { return "ProtogenCore" }
        if path.hasPrefix("tools/protogen/CLI/") { return "protogen" }
        let parts = path.split(separator: "/")
        guard parts.count > 2, parts[0] == "Sources" else { return nil }
        return String(parts[1])
    }

    /// The module that a line of code imports, or nil.
    static func importedModule(_ line: String) -> String? {
        var words = line.split(separator: " ")[...]
        while let first = words.first, first.hasPrefix("@") || isAccessLevel(first) {
            words = words.dropFirst()
        }
        guard words.first == "import" else { return nil }
        words = words.dropFirst()
        let kinds: Set<Substring> = [
            "class", "struct", "enum", "protocol", "func", "var", "let", "typealias",
        ]
        if let kind = words.first, kinds.contains(kind) { words = words.dropFirst() }
        return words.first.flatMap { $0.split(separator: ".").first }.map(String.init)
    }

    private static func isAccessLevel(_ word: Substring) -> Bool {
        ["public", "package", "internal", "fileprivate", "private"].contains(word)
    }

    /// Imports that go against the arrows.
    static func imports(_ file: SourceFile) -> [Finding] {
        guard let target = target(of: file.path) else { return [] }
        guard let allowed = allowed[target] else {
            return [
                Finding(
                    path: file.path, line: 0, message: "target \(target) has no row in LayerRules.allowed")
            ]
        }
        return CodeOnly.lines(of: file.text).enumerated().compactMap { number, line in
            guard let module = importedModule(line), !toolchain.contains(module) else { return nil }
            let isSocket = module.hasPrefix("NIO")
            if isSocket ? socketTargets.contains(target) : allowed.contains(module) { return nil }
            return Finding(path: file.path, line: number + 1, message: "\(target) may not import \(module)")
        }
    }
}
