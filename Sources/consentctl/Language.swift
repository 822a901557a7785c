// The language of sentences: the flag, else the environment, else English.

import ArgumentParser

/// In which language a command writes sentences. Names of fields, reasons and refusals stay as they are.
struct LanguageOptions: ParsableArguments {
    @Option(help: "Language of sentences, such as fr or en (default: LC_ALL, LC_MESSAGES or LANG).")
    var locale: String?

    /// For sentences; English where nothing is stated.
    var sentences: String { locale ?? Self.environment ?? "en" }
    /// For the memo; French where nothing is stated.
    var memo: String { locale ?? Self.environment ?? "fr" }

    var isFrench: Bool { sentences.lowercased().hasPrefix("fr") }

    /// The environment's locale; nil where it states none (`C` and `POSIX` state none).
    static var environment: String? {
        for name in ["LC_ALL", "LC_MESSAGES", "LANG"] {
            guard let value = Terminal.environment(name), !value.isEmpty else { continue }
            return value.hasPrefix("C") || value == "POSIX" ? nil : value
        }
        return nil
    }
}
