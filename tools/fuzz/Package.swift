// swift-tools-version: 6.2
import PackageDescription

// The fuzzers, apart from the project's package, since only they are built with libFuzzer (README.md here).
//
// Folders of Sources that are links lead to the project's own targets. Linked, and not a dependency: so what
// is fuzzed is instrumented and nothing else is, `package` reaches it, and no TLS has to be built.

func sanitize(_ sanitizers: String) -> [SwiftSetting] {
    [
        .swiftLanguageMode(.v6), .treatAllWarnings(as: .error), .enableExperimentalFeature("Lifetimes"),
        .unsafeFlags(["-sanitize=\(sanitizers)"]),
    ]
}
let sanitized = sanitize("address")
let fuzzed = sanitize("fuzzer,address")

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "consentd-fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-crypto", from: "4.5.0")],
    targets: [
        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .systemLibrary(name: "CIdn2", pkgConfig: "libidn2"),
        .target(name: "CPlatform"),
        .target(name: "CFuzzer"),
        .target(name: "Failpoint", swiftSettings: sanitized),
        .target(name: "TestRandomness", swiftSettings: sanitized),
        .target(name: "WireProtocol", dependencies: ["CPlatform", "CZlib"], swiftSettings: fuzzed),
        .target(name: "ConsentDomain", dependencies: ["CPlatform", "CIdn2", crypto], swiftSettings: fuzzed),
        .target(
            name: "ConsentIndex", dependencies: ["ConsentDomain", "CPlatform", "Failpoint"],
            swiftSettings: fuzzed),
        .target(name: "ConsentProof", dependencies: [crypto], swiftSettings: sanitized),
        .target(
            name: "ConsentWire", dependencies: ["WireProtocol", "ConsentDomain"], swiftSettings: sanitized),
        .target(name: "ProtogenCore", swiftSettings: fuzzed),
        // Of the client what reads an import: the rest needs sockets.
        .target(
            name: "ConsentClient",
            dependencies: ["ConsentDomain", "ConsentProof", "ConsentWire", "WireProtocol"],
            swiftSettings: fuzzed),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "CPlatform", "CZlib", "ConsentClient", "ConsentDomain", "ConsentIndex", "ProtogenCore",
                "TestRandomness", "WireProtocol",
            ],
            path: "Targets", swiftSettings: fuzzed),
        .executableTarget(
            name: "fuzz", dependencies: ["CFuzzer", "FuzzTargets", "TestRandomness"],
            swiftSettings: sanitized,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]),
    ]
)
