// swift-tools-version: 6.2
import PackageDescription

// Targets stand in layer order: a target names only targets above it (ARCHITECTURE.md, "Layers").
// `make check` builds with `--explicit-target-dependency-import-check error`, which enforces the arrows.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
]

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")

let package = Package(
    name: "consentd",
    products: [
        .library(name: "ConsentClient", targets: ["ConsentClient"]),
        .executable(name: "consentd", targets: ["consentd"]),
        .executable(name: "consentctl", targets: ["consentctl"]),
        .executable(name: "consent-load", targets: ["consent-load"]),
        .executable(name: "protogen", targets: ["protogen"]),
        .library(name: "AllocationCounter", type: .dynamic, targets: ["AllocationCounter"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // Layer 0: import nothing of ours, bar the C modules.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CIdn2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
        .target(name: "CPlatform"),
        .target(name: "CScrub", dependencies: ["CSQLite", "CPlatform"]),
        .target(name: "Failpoint", swiftSettings: strict),
        .target(name: "WireProtocol", dependencies: ["CPlatform", "CZlib"], swiftSettings: strict),
        .target(name: "ConsentDomain", dependencies: ["CPlatform", "CIdn2", crypto], swiftSettings: strict),
        .target(name: "ConsentProof", dependencies: [crypto], swiftSettings: strict),
        .target(name: "ProtogenCore", path: "tools/protogen/Core", swiftSettings: strict),

        // Layer 1: the two pure roots meet in ConsentWire; memory and disk stand beside it.
        .target(name: "ConsentWire", dependencies: ["WireProtocol", "ConsentDomain"], swiftSettings: strict),
        .target(
            name: "ConsentIndex", dependencies: ["ConsentDomain", "CPlatform", "Failpoint"],
            swiftSettings: strict),
        .target(
            name: "ConsentRegister",
            dependencies: [
                "ConsentDomain", "ConsentProof", "CPlatform", "CSQLite", "CScrub", "CZlib", "Failpoint",
                crypto,
            ],
            swiftSettings: strict),

        // Layer 2: sockets.
        .target(
            name: "ConsentClient",
            dependencies: [
                "WireProtocol", "ConsentDomain", "ConsentWire", "ConsentProof", nioCore, nioPosix, nioSSL,
                nioTLS,
            ],
            swiftSettings: strict),
        .target(
            name: "ConsentServer",
            dependencies: [
                "WireProtocol", "ConsentDomain", "ConsentProof", "ConsentWire", "ConsentIndex",
                "ConsentRegister",
                "CPlatform", "Failpoint", nioCore, nioPosix, nioHTTP, nioSSL, logging, crypto, yams,
            ],
            swiftSettings: strict),

        // Layer 3.
        .target(
            name: "LoadGenerator",
            dependencies: [
                "WireProtocol", "ConsentDomain", "ConsentWire", "ConsentClient", "CPlatform", "CZlib",
                nioCore,
                nioPosix, histogram,
            ],
            swiftSettings: strict),

        // Layer 4: parse, build, run.
        .executableTarget(
            name: "consentd",
            dependencies: [
                "ConsentServer", "ConsentRegister", "Failpoint", logging, unixSignals, argumentParser,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "consentctl",
            dependencies: ["ConsentClient", "ConsentDomain", "ConsentProof", argumentParser],
            swiftSettings: strict),
        .executableTarget(
            name: "consent-load", dependencies: ["LoadGenerator", "ConsentClient", argumentParser],
            swiftSettings: strict),
        .executableTarget(
            name: "campaign-example", dependencies: ["ConsentClient"], path: "Examples/Campaign",
            swiftSettings: strict),
        .executableTarget(
            name: "protogen", dependencies: ["ProtogenCore", argumentParser], path: "tools/protogen/CLI",
            swiftSettings: strict),

        .executableTarget(
            name: "index-bench",
            dependencies: ["ConsentIndex", "ConsentDomain", "CPlatform", histogram, argumentParser],
            path: "tools/bench/index", swiftSettings: strict),

        // Preloaded into a program to count its allocations; nothing links it.
        .target(name: "AllocationCounter", path: "tools/allocation-counter"),

        // Tests. They use `package` and `public`, so that they run in release too.
        .target(name: "FaultyDisk", dependencies: ["CSQLite"], path: "Tests/FaultyDisk"),
        .target(name: "TestRandomness", path: "Tests/Randomness", swiftSettings: strict),
        // What is fuzzed: by tools/fuzz under libFuzzer, by FuzzTests over the corpus.
        .target(
            name: "FuzzTargets",
            dependencies: [
                "TestRandomness", "CPlatform", "CZlib", "ConsentClient", "ConsentDomain", "ConsentIndex",
                "ProtogenCore", "WireProtocol",
            ],
            path: "tools/fuzz/Targets", swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["ConsentServer", "ConsentClient", "WireProtocol", logging],
            path: "Tests/Support", swiftSettings: strict),
        .executableTarget(
            name: "instruction-count", dependencies: ["ConsentClient", "TestSupport"],
            path: "tools/bench/instructions", exclude: ["run.sh"],
            swiftSettings: strict),
        .testTarget(
            name: "WireProtocolTests",
            dependencies: ["TestRandomness", "WireProtocol", "CPlatform", "CZlib"],
            swiftSettings: strict),
        .testTarget(
            name: "ConsentDomainTests", dependencies: ["TestRandomness", "ConsentDomain", crypto],
            swiftSettings: strict),
        .testTarget(
            name: "ConsentProofTests", dependencies: ["ConsentProof", crypto], swiftSettings: strict),
        .testTarget(
            name: "ProtogenTests", dependencies: ["ProtogenCore"], exclude: ["Reference"],
            swiftSettings: strict),
        .testTarget(
            name: "ConsentWireTests", dependencies: ["ConsentWire", "WireProtocol", "ConsentDomain"],
            swiftSettings: strict),
        .testTarget(
            name: "ConsentIndexTests",
            dependencies: ["TestRandomness", "ConsentIndex", "ConsentDomain", "CPlatform"],
            swiftSettings: strict),
        .testTarget(
            name: "ModelTests", dependencies: ["TestRandomness", "ConsentIndex", "ConsentDomain"],
            swiftSettings: strict),
        .testTarget(
            name: "ConsentRegisterTests",
            dependencies: [
                "TestRandomness", "FaultyDisk", "ConsentRegister", "ConsentDomain", "ConsentProof", "CSQLite",
                "CScrub", crypto,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ConsentClientTests",
            dependencies: [
                "TestRandomness",
                "ConsentClient", "WireProtocol", "ConsentDomain", "ConsentWire", "ConsentProof", nioCore,
                nioPosix,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LoadGeneratorTests",
            dependencies: [
                "TestSupport", "LoadGenerator", "ConsentClient", "WireProtocol", "CZlib", nioCore, nioPosix,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "TestRandomness", "TestSupport", "ConsentServer", "ConsentClient", "ConsentDomain",
                "ConsentProof", "CScrub", "WireProtocol",
                "consentd", "consentctl",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ReliabilityTests",
            dependencies: [
                "TestRandomness",
                "TestSupport", "ConsentClient", "ConsentDomain", "ConsentProof", "WireProtocol", "CSQLite",
                "CScrub", "CPlatform", "Failpoint", "consentd", "consentctl", "consent-load",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "FuzzTests", dependencies: ["TestRandomness", "FuzzTargets", "WireProtocol"],
            swiftSettings: strict),
        .testTarget(name: "HouseStyleTests", swiftSettings: strict),
    ]
)
