// consentd config show: what `serve` would be started with, and where each setting comes from.

import ArgumentParser
import ConsentServer
import Foundation

struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at settings.", subcommands: [Show.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the settings that `serve` would have.",
            discussion: """
                A flag beats the environment (CONSENTD_LISTEN, CONSENTD_LIMIT_CONNECTIONS_MAX), which beats the \
                file (--config, or CONSENTD_CONFIG). Takes the same flags as `serve`.
                """)

        @OptionGroup var flags: SettingFlags

        @Flag(help: "Say where each setting comes from.")
        var origin = false

        @Flag(help: "Print JSON.")
        var json = false

        private struct Row: Encodable {
            var name: String
            var value: String?
            var origin: String
        }

        func run() throws {
            let settings: Settings
            do {
                settings = try flags.settings()
            } catch {
                fail(ServerFailure(error, configuration: ServerConfiguration(stateFolder: "")))
            }
            var rows = Settings.defaults.map { name, _ in
                let value = settings.values[name]
                return Row(name: name, value: value?.text, origin: "\(value?.origin ?? .default)")
            }
            for limit in ServerConfiguration.Limits.settable {
                guard let value = settings.limits[limit.name] else { continue }
                rows.append(
                    Row(name: "limits.\(limit.name)", value: "\(value.value)", origin: "\(value.origin)"))
            }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
                return print(String(decoding: try encoder.encode(rows), as: UTF8.self))
            }
            for row in rows {
                let value = "\(row.name) = \(row.value ?? "-")"
                print(
                    origin
                        ? value.padding(toLength: max(48, value.count + 2), withPad: " ", startingAt: 0)
                            + row.origin : value)
            }
        }
    }
}
