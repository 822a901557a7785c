// How far a long command is: a bar on a terminal, a line every few seconds elsewhere. On stderr, so that
// output stays clean.

import ConsentClient

/// Shows progress while a command works.
struct Progress {
    /// Where and how often it is shown.
    enum Style {
        /// On a terminal alone.
        case terminalOnly
        /// On a terminal, else as a line every five seconds.
        case everywhere
        case off
    }

    private let unit: String
    private let style: Style
    private let isTerminal = Terminal.isErrorTerminal
    private let start = ContinuousClock.now
    private var last: ContinuousClock.Instant
    private var isShown = false

    private static let barWidth = 24

    init(unit: String, _ style: Style = .terminalOnly) {
        self.unit = unit
        self.style = style
        last = start
    }

    /// Shows a count, on a terminal ten times a second at most.
    /// - Parameter fraction: the share of the work that is done, 0…1; nil: not known.
    mutating func show(_ count: Int, fraction: Double? = nil) {
        let now = ContinuousClock.now
        guard style != .off, isTerminal || style == .everywhere,
            now - last > (isTerminal ? .milliseconds(100) : .seconds(5))
        else { return }
        last = now
        guard isTerminal else { return Terminal.error(line(count, fraction, at: now) + "\n") }
        isShown = true
        let bar = fraction.map { Self.bar($0) + " " } ?? ""
        Terminal.error("\r\u{1B}[K\(bar)\(line(count, fraction, at: now))")
    }

    /// Takes the bar away, so that something else can be written.
    mutating func end() {
        if isShown { Terminal.error("\r\u{1B}[K") }
        isShown = false
    }

    private func line(_ count: Int, _ fraction: Double?, at now: ContinuousClock.Instant) -> String {
        let seconds = max((now - start).seconds, 0.001)
        var text = "\(count) \(unit), \(Int(Double(count) / seconds)) a second"
        if let fraction, fraction > 0 {
            let left = seconds * (1 - fraction) / fraction
            text += ", \(Int(fraction * 100)) %, \(Self.time(left)) left"
        }
        return text
    }

    private static func bar(_ fraction: Double) -> String {
        let filled = Int(max(0, min(fraction, 1)) * Double(barWidth))
        return "[" + String(repeating: "#", count: filled)
            + String(repeating: "-", count: barWidth - filled) + "]"
    }

    /// A duration for people: `8 s`, `3 min 20 s`, `2 h 5 min`.
    static func time(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0).rounded(), 1e9))
        if whole < 60 { return "\(whole) s" }
        if whole < 3_600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3_600) h \(whole % 3_600 / 60) min"
    }
}

extension Duration {
    /// In seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
