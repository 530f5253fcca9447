import LongtakeCore
import Testing

@testable import LongtakeStream

/// Every phase with every input, then the races, each drawn in columns.
@Suite struct SubscriberStateTests {
    private static func at(_ number: Int64) -> LogOffset { LogOffset(EventSequence(rawValue: number)) }

    /// A stream that has sent events up to 3 and is in `phase`.
    private static func stream(_ phase: SubscriberState.Phase) -> SubscriberState {
        var state = SubscriberState(after: at(3))
        if phase == .behind { return state }
        _ = state.writabilityChanged(true)
        if phase == .replaying { return state }
        _ = state.readPage(last: nil, head: at(3), isFinal: false)
        if phase == .ended { state.end() }
        return state
    }

    /// A run of one event arrives.
    private static func select(_ number: Int64, _ state: inout SubscriberState) -> SubscriberState.Selection {
        state.select(after: at(number - 1), upTo: at(number))
    }

    @Test("each phase has one action for each input")
    func everyPair() {
        typealias Input = (name: String, apply: (inout SubscriberState) -> String)
        let inputs: [Input] = [
            ("next run", { "\($0.select(after: Self.at(3), upTo: Self.at(5)))" }),
            ("old run", { "\($0.select(after: Self.at(1), upTo: Self.at(3)))" }),
            ("run that begins before the cursor", { "\($0.select(after: Self.at(1), upTo: Self.at(4)))" }),
            ("run after a gap", { "\($0.select(after: Self.at(5), upTo: Self.at(6)))" }),
            ("delivery ended", { "\($0.deliveryEnded())" }),
            ("empty page", { "\($0.readPage(last: nil, head: Self.at(3), isFinal: false))" }),
            ("page with more after it", { "\($0.readPage(last: Self.at(4), head: Self.at(9), isFinal: false))" }),
            ("page with the final event", { "\($0.readPage(last: Self.at(5), head: Self.at(5), isFinal: true))" }),
            ("writable", { "\($0.writabilityChanged(true))" }),
            ("not writable", { "\($0.writabilityChanged(false))" }),
            ("same head", { "\($0.compare(with: Self.at(3)))" }),
            ("later head", { "\($0.compare(with: Self.at(7)))" }),
            ("read again", { "\($0.readAgain())" }),
        ]
        let read3 = "read(after: 3)"
        let read4 = "read(after: 4)"
        let expected: [SubscriberState.Phase: [String]] = [
            .behind: [
                "none", "none", "none", "none", "nothing", "nothing", "nothing", "nothing", read3,
                "nothing", "nothing", "nothing", "nothing",
            ],
            .replaying: [
                "none", "none", "none", "none", "nothing", "nothing", read4, "end", "nothing", "nothing",
                "nothing", "nothing", "nothing",
            ],
            .live: [
                "all", "none", "rest", "none", "nothing", "nothing", "nothing", "nothing", "nothing", "nothing",
                "nothing", read3, read3,
            ],
            .ended: Array(repeating: "none", count: 4) + Array(repeating: "nothing", count: 9),
        ]
        for (phase, answers) in expected {
            for (input, answer) in zip(inputs, answers) {
                var state = Self.stream(phase)
                #expect(state.phase == phase)
                let given = input.apply(&state)
                    .replacing("LongtakeStream.SubscriberState.Action.", with: "")
                    .replacing("LongtakeStream.LogOffset(rawValue: ", with: "").replacing("))", with: ")")
                #expect(given == answer, "\(phase) × \(input.name)")
            }
        }
    }

    // writer                      loop                          page being read
    // ------                      ----                          ---------------
    //                             replaying, cursor 3           read begins: sees 1…4
    // commits 5, final
    //                             select(5): only known head
    //                                                           arrives: last 4, head 4
    //                             cursor 4 < known head 5: reads again
    @Test("a final event that is committed during the read of the last page is not missed")
    func finalDuringLastPage() {
        var state = Self.stream(.replaying)
        #expect(Self.select(5, &state) == .none)
        do {
            let action = state.readPage(last: Self.at(4), head: Self.at(4), isFinal: false)
            #expect(action == .read(after: Self.at(4)))
        }
        do {
            let action = state.readPage(last: Self.at(5), head: Self.at(5), isFinal: true)
            #expect(action == .end)
        }
        #expect(state.phase == .ended)
    }

    // writer                      loop                          page being read
    // commits 4                   registered
    //                             replaying, cursor 3           read begins: sees 4
    //                             select(4): only known head     arrives: last 4
    //                             live; the same event again: not sent
    @Test("an event that is both in a page and in a run is sent once")
    func pageAndRun() {
        var state = Self.stream(.replaying)
        #expect(Self.select(4, &state) == .none)
        do {
            let action = state.readPage(last: Self.at(4), head: Self.at(4), isFinal: false)
            #expect(action == .nothing)
        }
        #expect(state.phase == .live)
        #expect(Self.select(4, &state) == .none)
        do {
            let action = state.deliveryEnded()
            #expect(action == .nothing)
        }
        #expect(Self.select(5, &state) == .all)
    }

    // store                       loop                          page being read
    //                             replaying, cursor 3           read begins: epoch 1
    // epoch 2
    //                             read again: noted
    //                                                           arrives: nothing new
    //                             reads again: epoch 2
    @Test("if something unknown is new, a page in flight is followed by another one")
    func readAgain() {
        var state = Self.stream(.replaying)
        let noted = state.readAgain()
        #expect(noted == .nothing)
        let action = state.readPage(last: nil, head: Self.at(3), isFinal: false)
        #expect(action == .read(after: Self.at(3)))
        let last = state.readPage(last: nil, head: Self.at(3), isFinal: false)
        #expect(last == .nothing && state.phase == .live)
    }

    // fan-out                     loop
    // 4, 5 dropped; 6 arrives     live, cursor 3: not sent
    //                             delivery ends: reads after 3
    @Test("a gap makes a live stream read the log")
    func gap() {
        var state = Self.stream(.live)
        #expect(Self.select(6, &state) == .none)
        do {
            let action = state.deliveryEnded()
            #expect(action == .read(after: Self.at(3)))
        }
        do {
            let action = state.readPage(last: Self.at(6), head: Self.at(6), isFinal: false)
            #expect(action == .nothing)
        }
        #expect(Self.select(7, &state) == .all)
    }

    // fan-out                     loop                          connection
    // 4                           live: sent
    //                                                           not writable
    // 5                           not sent
    //                             delivery ends: behind, waits
    //                                                           writable
    //                             reads after 4
    @Test("if the connection is not writable, a live stream reads later")
    func notWritable() {
        var state = Self.stream(.live)
        #expect(Self.select(4, &state) == .all)
        do {
            let action = state.sent(upTo: Self.at(4), isFinal: false)
            #expect(action == .nothing)
        }
        do {
            let action = state.writabilityChanged(false)
            #expect(action == .nothing)
        }
        #expect(Self.select(5, &state) == .none)
        do {
            let action = state.deliveryEnded()
            #expect(action == .nothing)
        }
        #expect(state.phase == .behind)
        do {
            let action = state.writabilityChanged(true)
            #expect(action == .read(after: Self.at(4)))
        }
    }

    // loop                        page being read
    // replaying                   read begins
    // drain: ended
    //                             arrives
    @Test("a page that arrives after the end is ignored")
    func lateAfterEnd() {
        var state = Self.stream(.replaying)
        state.end()
        do {
            let action = state.readPage(last: Self.at(4), head: Self.at(4), isFinal: false)
            #expect(action == .nothing)
        }
        #expect(state.cursor == Self.at(3))
    }

    @Test("in every schedule, a stream sends 1 to n once, in order, and ends", arguments: 0..<40)
    func anySchedule(seed: Int) {
        for round in 0..<100 {
            var world = World(seed: UInt64(seed * 100 + round + 1))
            world.run()
            #expect(world.sent == Array(1...world.total), "seed \(seed), round \(round)")
            #expect(world.state.phase == .ended)
        }
    }
}

/// A growing log, a mailbox that may drop frames, pages that show the log of the time of their
/// read, and a connection that is not always writable.
private struct World {
    var state = SubscriberState(after: LogOffset(EventSequence.beforeFirst))
    var sent: [Int64] = []
    let total: Int64
    private var generator: Generator
    private var committed: Int64 = 0
    private var mailbox: [Int64] = []
    /// The cursor and the head of each page in flight.
    private var reads: [(after: Int64, head: Int64)] = []
    private var isWritable = false

    init(seed: UInt64) {
        generator = Generator(state: seed)
        total = Int64(generator.below(30) + 1)
    }

    mutating func run() {
        var steps = 0
        while state.phase != .ended, steps < 20_000 {
            step(isLate: steps > 2_000)
            steps += 1
        }
    }

    /// After a while nothing goes wrong any more, so that every schedule ends.
    private mutating func step(isLate: Bool) {
        switch generator.below(6) {
        case 0, 1:
            guard committed < total else { break }
            committed += 1
            // A frame may be dropped. Then the head of its log arrives as a gap.
            mailbox.append(generator.below(4) == 0 ? -committed : committed)
        case 2:
            deliver()
        case 3, 4:
            guard !reads.isEmpty else { break }
            arrive(reads.removeFirst())
        default:
            isWritable = isLate || generator.below(2) == 0
            perform(state.writabilityChanged(isWritable))
        }
    }

    /// Consecutive events arrive as one run, as in the shard.
    private mutating func deliver() {
        var numbers = mailbox[...]
        while let first = numbers.first {
            let run = first < 0 ? numbers.prefix(1) : numbers.prefix { $0 > 0 }
            numbers.removeFirst(run.count)
            let last = abs(run.last ?? first)
            guard first > 0 else {
                state.gap(upTo: Self.offset(last))
                continue
            }
            switch state.select(after: Self.offset(first - 1), upTo: Self.offset(last)) {
            case .none: continue
            case .all: sent += run
            case .rest: sent += run.filter { Self.offset($0) > state.cursor }
            }
            perform(state.sent(upTo: Self.offset(last), isFinal: last == total))
        }
        mailbox = []
        perform(state.deliveryEnded())
    }

    private static func offset(_ number: Int64) -> LogOffset { LogOffset(EventSequence(rawValue: number)) }

    private mutating func arrive(_ read: (after: Int64, head: Int64)) {
        guard state.phase == .replaying else { return }
        let last = min(read.head, read.after + Int64(generator.below(5) + 1))
        if last > read.after { sent += Array((read.after + 1)...last) }
        perform(
            state.readPage(
                last: last > read.after ? Self.offset(last) : nil, head: Self.offset(read.head),
                isFinal: read.head == total))
    }

    private mutating func perform(_ action: SubscriberState.Action) {
        if case .read(let cursor) = action { reads.append((cursor.rawValue, committed)) }
    }
}

/// A linear congruential generator. Its numbers only have to be the same in every run.
private struct Generator {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}
