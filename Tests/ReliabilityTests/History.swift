// Histories of one cell (contact point, purpose, channel), and whether they are those of a register: whether
// every call can be given one moment between its beginning and its end so that each check says what the write
// before it has made of the cell.
//
// The search is that of Wing and Gong: take, one after the other, any call that begins before every other one
// that is left has ended; come back where a check does not fit. What was found hopeless once (the calls
// taken, and the value) is not tried again, which bounds the search by the calls that overlap.

/// A call, in the order of a clock that never goes back.
struct Operation: Hashable {
    enum Kind: Hashable {
        /// A grant (true) or a withdrawal (false).
        case write(Bool)
        /// A check and what it said.
        case check(Bool)
    }

    let kind: Kind
    let begins: UInt64
    /// nil: nobody knows its outcome. A write then happened at any time after its beginning, or never.
    let ends: UInt64?
}

/// The calls about one cell.
struct CellHistory {
    var operations: [Operation] = []

    /// Whether it is that of a register that denies at first.
    var isLinearizable: Bool {
        let calls = operations.sorted { $0.begins < $1.begins }
        var search = Search(
            known: calls.filter { $0.ends != nil },
            // A check without an answer says nothing.
            unknown: calls.filter { $0.ends == nil && $0.isWrite })
        return search.fits()
    }

    private struct Search {
        let known: [Operation]
        let unknown: [Operation]

        /// Calls taken: all known ones before `first`, and `later` of those after it.
        struct State: Hashable {
            var first = 0
            var later: [Int] = []
            var unknown: [Int] = []
            var value = false

            mutating func take(_ place: Int) {
                later.append(place)
                later.sort()
                while later.first == first {
                    later.removeFirst()
                    first += 1
                }
            }
        }

        mutating func fits() -> Bool {
            var seen: Set<State> = []
            var stack = [State()]
            while let state = stack.popLast() {
                // Writes of unknown outcome that are left over never happened.
                guard state.first < known.count else { return true }
                for next in steps(state) where seen.insert(next).inserted { stack.append(next) }
            }
            return false
        }

        private func steps(_ state: State) -> [State] {
            var next: [State] = []
            var firstEnd = UInt64.max
            for place in state.first..<known.count {
                // Begun after another one's end, and so are all that follow.
                guard known[place].begins <= firstEnd else { break }
                guard !state.later.contains(place) else { continue }
                firstEnd = min(firstEnd, known[place].ends ?? .max)
            }
            for place in state.first..<known.count {
                guard known[place].begins <= firstEnd else { break }
                guard !state.later.contains(place), let value = known[place].value(after: state.value)
                else { continue }
                var step = state
                step.value = value
                step.take(place)
                next.append(step)
            }
            for place in unknown.indices where !state.unknown.contains(place) {
                // One that changes nothing is as good as none.
                guard unknown[place].begins <= firstEnd, let value = unknown[place].value(after: state.value),
                    value != state.value
                else { continue }
                var step = state
                step.value = value
                step.unknown = (state.unknown + [place]).sorted()
                next.append(step)
            }
            return next
        }
    }
}

extension Operation {
    var isWrite: Bool {
        if case .write = kind { true } else { false }
    }

    /// The cell's value after this call; nil: it does not fit.
    func value(after value: Bool) -> Bool? {
        switch kind {
        case .write(let new): new
        case .check(let said): said == value ? value : nil
        }
    }
}
