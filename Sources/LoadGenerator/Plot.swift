// Plots as SVG text: axes, lines, points, a mark. No script, no font, no picture from elsewhere.
//
// Colours are classes of the page's style sheet, so that one plot serves light, dark and paper; each series
// has a dash pattern of its own too, since paper may be grey. Invariant: every point lies within the frame.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How numbers are spread along an axis.
struct PlotScale {
    /// A tick and its label.
    struct Tick {
        let value: Double
        let label: String
    }

    /// Places in 0…1.
    let place: (Double) -> Double
    let ticks: [Tick]

    /// Even, from 0, to a little above the largest number.
    static func linear(upTo largest: Double, label: (Double) -> String) -> PlotScale {
        let high = max(largest, 1e-9) * 1.04
        let rough = high / 5
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
        let ticks = stride(from: 0, through: high, by: step).map { Tick(value: $0, label: label($0)) }
        return PlotScale(place: { $0 / high }, ticks: ticks)
    }

    /// Powers of ten.
    static func logarithmic(from smallest: Double, to largest: Double, label: (Double) -> String) -> PlotScale
    {
        let low = log10(max(smallest, 1e-3)).rounded(.down)
        let high = max(log10(max(largest, 1e-3)).rounded(.up), low + 1)
        let steps = high - low <= 2 ? [1.0, 2, 5] : [1.0]
        var ticks: [Tick] = []
        for power in Int(low)...Int(high) {
            for step in steps {
                let value = step * pow(10, Double(power))
                if log10(value) <= high + 1e-9 { ticks.append(Tick(value: value, label: label(value))) }
            }
        }
        return PlotScale(place: { (log10(max($0, 1e-3)) - low) / (high - low) }, ticks: ticks)
    }

    /// Percentiles, as many nines as there are: 90, 99, 99.9 … are as far apart as 0 and 90.
    static func nines(upTo nines: Double) -> PlotScale {
        let high = max(nines, 1)
        let labels = [
            (0.0, "0"), (50, "50"), (90, "90"), (99, "99"), (99.9, "99.9"), (99.99, "99.99"),
            (99.999, "99.999"), (99.9999, "99.9999"),
        ]
        let place = { (percentile: Double) in -log10(max(1 - percentile / 100, 1e-9)) / high }
        return PlotScale(
            place: place,
            ticks: labels.filter { place($0.0) <= 1.001 }.map { Tick(value: $0.0, label: $0.1) })
    }
}

/// One plot.
struct Plot {
    /// A line through points, or points alone.
    struct Series {
        var name: String
        var points: [(x: Double, y: Double)]
        /// Text of a point, shown where the pointer rests on it.
        var hints: [String] = []
        /// Whether each point is drawn: filled or hollow.
        var dots: [Bool] = []
        var hasLine = true
    }

    var title: String
    /// One sentence that says how to read it.
    var note: String
    var x: PlotScale
    var y: PlotScale
    var xLabel: String
    var yLabel: String
    var series: [Series]
    /// A level with its name.
    var level: (value: Double, name: String)?

    private static let width = 760.0
    private static let height = 320.0
    private static let frame = (left: 86.0, right: 750.0, top: 14.0, bottom: 268.0)

    /// The plot with its title and legend, as HTML.
    var html: String {
        var svg =
            "<svg viewBox=\"0 0 \(Int(Plot.width)) \(Int(Plot.height))\" role=\"img\" "
            + "aria-label=\"\(HTML.escape(title))\">"
        svg += grid
        if let level {
            let place = Plot.number(placeY(level.value))
            svg +=
                "<line class=\"level\" x1=\"\(Plot.frame.left)\" x2=\"\(Plot.frame.right)\" "
                + "y1=\"\(place)\" y2=\"\(place)\"/><text class=\"levelname\" text-anchor=\"end\" "
                + "x=\"\(Plot.frame.right - 4)\" y=\"\(Plot.number(placeY(level.value) - 5))\">"
                + "\(HTML.escape(level.name))</text>"
        }
        for (number, line) in series.enumerated() { svg += draw(line, number: number) }
        svg += "</svg>"
        let legend = series.enumerated().map { number, line in
            "<span><svg class=\"key\" viewBox=\"0 0 28 8\"><line class=\"line s\(number)\" x1=\"0\" x2=\"28\" "
                + "y1=\"4\" y2=\"4\"/></svg>\(HTML.escape(line.name))</span>"
        }.joined()
        return "<figure><h2>\(HTML.escape(title))</h2>"
            + "<p class=\"note\">\(HTML.escape(note))</p>"
            + (series.count > 1 ? "<p class=\"legend\">\(legend)</p>" : "") + svg + "</figure>\n"
    }

    // MARK: Parts

    private var grid: String {
        let frame = Plot.frame
        var svg = ""
        for tick in y.ticks {
            let place = Plot.number(placeY(tick.value))
            svg +=
                "<line class=\"grid\" x1=\"\(frame.left)\" x2=\"\(frame.right)\" y1=\"\(place)\" "
                + "y2=\"\(place)\"/><text text-anchor=\"end\" x=\"\(frame.left - 7)\" "
                + "y=\"\(Plot.number(placeY(tick.value) + 4))\">\(HTML.escape(tick.label))</text>"
        }
        for tick in x.ticks {
            let place = Plot.number(placeX(tick.value))
            svg +=
                "<line class=\"grid\" x1=\"\(place)\" x2=\"\(place)\" y1=\"\(frame.top)\" "
                + "y2=\"\(frame.bottom)\"/><text text-anchor=\"middle\" x=\"\(place)\" "
                + "y=\"\(frame.bottom + 18)\">\(HTML.escape(tick.label))</text>"
        }
        svg +=
            "<line class=\"axis\" x1=\"\(frame.left)\" x2=\"\(frame.right)\" y1=\"\(frame.bottom)\" "
            + "y2=\"\(frame.bottom)\"/>"
        svg +=
            "<text class=\"label\" text-anchor=\"middle\" x=\"\((frame.left + frame.right) / 2)\" "
            + "y=\"\(frame.bottom + 40)\">\(HTML.escape(xLabel))</text>"
        svg +=
            "<text class=\"label\" text-anchor=\"middle\" transform=\"rotate(-90)\" "
            + "x=\"\(-(frame.top + frame.bottom) / 2)\" y=\"16\">\(HTML.escape(yLabel))</text>"
        return svg
    }

    private func draw(_ line: Series, number: Int) -> String {
        var svg = ""
        let places = line.points.map { (placeX($0.x), placeY($0.y)) }
        if line.hasLine && places.count > 1 {
            let path = places.map { "\(Plot.number($0.0)),\(Plot.number($0.1))" }.joined(separator: " ")
            svg += "<polyline class=\"line s\(number)\" points=\"\(path)\"/>"
        }
        for (index, place) in places.enumerated() {
            guard index < line.dots.count else { break }
            let hint = index < line.hints.count ? "<title>\(HTML.escape(line.hints[index]))</title>" : ""
            svg +=
                "<circle class=\"dot s\(number)\(line.dots[index] ? "" : " hollow")\" "
                + "cx=\"\(Plot.number(place.0))\" cy=\"\(Plot.number(place.1))\" r=\"4\">\(hint)</circle>"
        }
        return svg
    }

    private func placeX(_ value: Double) -> Double {
        Plot.frame.left + min(max(x.place(value), 0), 1) * (Plot.frame.right - Plot.frame.left)
    }

    private func placeY(_ value: Double) -> Double {
        Plot.frame.bottom - min(max(y.place(value), 0), 1) * (Plot.frame.bottom - Plot.frame.top)
    }

    private static func number(_ value: Double) -> String { TextFormat.fixed(value, 1) }
}

/// Text in HTML.
enum HTML {
    /// Text with what HTML would take for its own replaced.
    static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    /// A table: the first row is the head, the first column is to the left, the others are to the right.
    static func table(_ rows: [[String]], class name: String = "") -> String {
        guard let head = rows.first else { return "" }
        func cells(_ row: [String], _ tag: String) -> String {
            "<tr>" + row.map { "<\(tag)>\(escape($0))</\(tag)>" }.joined() + "</tr>"
        }
        return "<div class=\"scroll\"><table class=\"\(name)\"><thead>\(cells(head, "th"))</thead><tbody>"
            + rows.dropFirst().map { cells($0, "td") }.joined() + "</tbody></table></div>\n"
    }

    /// Names and what they stand for.
    static func list(_ rows: [(String, String)]) -> String {
        "<dl>" + rows.map { "<div><dt>\(escape($0.0))</dt><dd>\(escape($0.1))</dd></div>" }.joined()
            + "</dl>\n"
    }
}
