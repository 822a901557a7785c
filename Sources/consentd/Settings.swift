// The settings of `serve`, from three places: a flag beats the environment, which beats the file.
//
// Each setting has one name: `listen` is --listen, CONSENTD_LISTEN and `listen:` in the file. Limits have no
// flags of their own: `--limit connections-max=100`, CONSENTD_LIMIT_CONNECTIONS_MAX, and `limits:` in the
// file.

import ArgumentParser
import ConsentServer
import Foundation

/// Where a setting came from.
enum Origin: CustomStringConvertible {
    case flag
    case environment(String)
    case file(String)
    case `default`

    var description: String {
        switch self {
        case .flag: "flag"
        case .environment(let name): "environment \(name)"
        case .file(let path): "file \(path)"
        case .default: "default"
        }
    }
}

/// All settings, each with its value as text and where it came from.
struct Settings {
    /// Names and defaults, as `config show` lists them; nil: none.
    static let defaults: [(name: String, value: String?)] = [
        ("state-dir", nil), ("listen", "127.0.0.1:7447"), ("loops", nil), ("admin", nil),
        ("log-level", "info"),
        ("wait-lock", "false"), ("quiet", "false"), ("tls-cert", nil), ("tls-key", nil), ("client-ca", nil),
        ("credentials", nil), ("crash-dumps", "false"),
    ]

    private(set) var values: [String: (text: String, origin: Origin)] = [:]
    private(set) var limits: [String: (value: Int, origin: Origin)] = [:]

    /// - Parameters:
    ///   - flags: values of flags that were given, by name.
    ///   - limitFlags: `NAME=VALUE`.
    ///   - file: path of a configuration file; nil: none.
    init(
        flags: [String: String?], limitFlags: [String], file: String?,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        let fields = try file.map {
            try YAMLFields(file: $0, known: Self.defaults.map(\.name) + ["limits"])
        }
        for (name, value) in Self.defaults {
            let variable = Self.variable(name)
            if let text = flags[name] ?? nil {
                values[name] = (text, .flag)
            } else if let text = environment[variable] {
                values[name] = (text, .environment(variable))
            } else if let file, let text = try fields?.text(name) {
                values[name] = (text, .file(file))
            } else if let value {
                values[name] = (value, .default)
            }
        }
        let known = ServerConfiguration.Limits.settable
        let limitFields = try fields?.fields("limits", known: known.map(\.name))
        var given: [String: String] = [:]
        for flag in limitFlags {
            let parts = flag.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, known.contains(where: { $0.name == parts[0] }) else {
                throw ServerFailure(
                    exitCode: 64,
                    message: "--limit \(flag) is not NAME=NUMBER with a name of: "
                        + known.map(\.name).joined(separator: ", "))
            }
            given[parts[0]] = parts[1]
        }
        let standard = ServerConfiguration.Limits()
        for limit in known {
            let variable = Self.variable("limit-" + limit.name)
            var (text, origin) = ("\(standard[keyPath: limit.path])", Origin.default)
            if let flag = given[limit.name] {
                (text, origin) = (flag, .flag)
            } else if let value = environment[variable] {
                (text, origin) = (value, .environment(variable))
            } else if let file, let value = try limitFields?.text(limit.name) {
                (text, origin) = (value, .file(file))
            }
            guard let value = Int(text), limit.range.contains(value) else {
                throw Self.failure(
                    limit.name, text, origin,
                    "a number from \(limit.range.lowerBound) to \(limit.range.upperBound)")
            }
            limits[limit.name] = (value, origin)
        }
    }

    /// The name of a setting in the environment.
    static func variable(_ name: String) -> String {
        "CONSENTD_" + name.uppercased().replacing("-", with: "_")
    }

    /// A setting that may be absent.
    func text(_ name: String) -> String? { values[name]?.text }

    /// A setting read as a value.
    /// - Parameter expected: what the setting takes, in words.
    func value<Value>(_ name: String, _ expected: String, _ read: (String) -> Value?) throws -> Value? {
        guard let (text, origin) = values[name] else { return nil }
        guard let value = read(text) else { throw Self.failure(name, text, origin, expected) }
        return value
    }

    /// A setting that is on or off.
    func isOn(_ name: String) throws -> Bool {
        try value(name, "true or false") { Bool($0) } ?? false
    }

    private static func failure(
        _ name: String, _ text: String, _ origin: Origin, _ expected: String
    ) -> ServerFailure {
        var isFlag = false
        if case .flag = origin { isFlag = true }
        return ServerFailure(
            exitCode: isFlag ? 64 : 78,
            message: "\(name) \"\(text)\" (\(origin)) is not what it takes: \(expected)")
    }
}

/// The flags of `serve` and `config show`.
struct SettingFlags: ParsableArguments {
    @Option(help: "File with settings, as YAML: each by the name of its flag.", completion: .file())
    var config: String?

    @Option(help: "Folder with the register and its key files.", completion: .directory)
    var stateDir: String?

    @Option(
        help: ArgumentHelp(
            "Address to listen on; port 0 picks a free one. (default: 127.0.0.1:7447)", valueName: "host:port"
        ))
    var listen: String?

    @Option(help: "Event loops; default: one a core.")
    var loops: String?

    @Option(
        help: ArgumentHelp("Serve /livez, /readyz and /metrics over HTTP here.", valueName: "host:port"))
    var admin: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    @Flag(help: "Wait for another daemon on the same folder to end instead of refusing to start.")
    var waitLock = false

    @Flag(help: "Log errors only.")
    var quiet = false

    @Option(
        help: ArgumentHelp("Certificate of the server: TLS 1.3. Read again on SIGHUP.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("Private key of the certificate (0600).", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            "Authorities that sign clients' certificates: clients must have one.", valueName: "file"))
    var clientCa: String?

    @Option(
        help: ArgumentHelp(
            "Who may call, and what each may do (0600). Read again on SIGHUP.", valueName: "file"))
    var credentials: String?

    @Flag(
        help: "Let a crash leave core dumps and reports, which hold addresses of requests. (default: no)")
    var crashDumps = false

    @Option(
        help: ArgumentHelp("A limit, such as connections-max=100. May be repeated.", valueName: "name=number")
    )
    var limit: [String] = []

    func settings() throws -> Settings {
        try Settings(
            flags: [
                "state-dir": stateDir, "listen": listen, "loops": loops, "admin": admin,
                "log-level": logLevel,
                "wait-lock": waitLock ? "true" : nil, "quiet": quiet ? "true" : nil, "tls-cert": tlsCert,
                "tls-key": tlsKey, "client-ca": clientCa, "credentials": credentials,
                "crash-dumps": crashDumps ? "true" : nil,
            ], limitFlags: limit, file: config ?? ProcessInfo.processInfo.environment["CONSENTD_CONFIG"])
    }
}
