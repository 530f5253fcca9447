import LongtakeCore
import Testing

@testable import LongtakeStream

/// Every phase with every input, then the races, each drawn in columns first.
@Suite struct SubscriberStateTests {
    private static func at(_ number: Int64) -> LogPlace { LogPlace(EventSequence(rawValue: number)) }

    /// A reader that has events up to 3 and is in `phase`.
    private static func reader(_ phase: SubscriberState.Phase) -> SubscriberState {
        var state = SubscriberState(after: at(3))
        if phase == .behind { return state }
        _ = state.roomChanged(true)
        if phase == .replaying { return state }
        _ = state.readPage(last: nil, head: at(3), isFinal: false)
        if phase == .ended { state.end() }
        return state
    }

    /// Offers one event.
    private static func takes(_ number: Int64, _ state: inout SubscriberState) -> SubscriberState.Taking {
        state.takes(after: at(number - 1), upTo: at(number))
    }

    @Test("each phase answers each input in one way")
    func everyPair() {
        typealias Input = (name: String, apply: (inout SubscriberState) -> String)
        let inputs: [Input] = [
            ("next run", { "\($0.takes(after: Self.at(3), upTo: Self.at(5)))" }),
            ("old run", { "\($0.takes(after: Self.at(1), upTo: Self.at(3)))" }),
            ("run that begins before the cursor", { "\($0.takes(after: Self.at(1), upTo: Self.at(4)))" }),
            ("run beyond a gap", { "\($0.takes(after: Self.at(5), upTo: Self.at(6)))" }),
            ("settle", { "\($0.settle())" }),
            ("empty page", { "\($0.readPage(last: nil, head: Self.at(3), isFinal: false))" }),
            ("page with more behind it", { "\($0.readPage(last: Self.at(4), head: Self.at(9), isFinal: false))" }),
            ("page with the final event", { "\($0.readPage(last: Self.at(5), head: Self.at(5), isFinal: true))" }),
            ("room", { "\($0.roomChanged(true))" }),
            ("no room", { "\($0.roomChanged(false))" }),
            ("same head", { "\($0.compare(with: Self.at(3)))" }),
            ("later head", { "\($0.compare(with: Self.at(7)))" }),
            ("read again", { "\($0.readAgain())" }),
        ]
        let read3 = "read(after: 3)"
        let read4 = "read(after: 4)"
        let expected: [SubscriberState.Phase: [String]] = [
            .behind: [
                "nothing", "nothing", "nothing", "nothing", "nothing", "nothing", "nothing", "nothing", read3,
                "nothing", "nothing", "nothing", "nothing",
            ],
            .replaying: [
                "nothing", "nothing", "nothing", "nothing", "nothing", "nothing", read4, "end", "nothing", "nothing",
                "nothing", "nothing", "nothing",
            ],
            .live: [
                "all", "nothing", "rest", "nothing", "nothing", "nothing", "nothing", "nothing", "nothing", "nothing",
                "nothing", read3, read3,
            ],
            .ended: Array(repeating: "nothing", count: 13),
        ]
        for (phase, answers) in expected {
            for (input, answer) in zip(inputs, answers) {
                var state = Self.reader(phase)
                #expect(state.phase == phase)
                let given = input.apply(&state)
                    .replacing("LongtakeStream.SubscriberState.Action.", with: "")
                    .replacing("LongtakeStream.LogPlace(rawValue: ", with: "").replacing("))", with: ")")
                #expect(given == answer, "\(phase) × \(input.name)")
            }
        }
    }

    // writer                      loop                          page being read
    // ------                      ----                          ---------------
    //                             replaying, cursor 3           read begins: sees 1…4
    // commits 5, final
    //                             takes(5): only known head
    //                                                           arrives: last 4, head 4
    //                             cursor 4 < known head 5: reads again
    @Test("a final event that commits during the last page is not missed")
    func finalDuringLastPage() {
        var state = Self.reader(.replaying)
        #expect(Self.takes(5, &state) == .nothing)
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
    //                             takes(4): only known head     arrives: last 4
    //                             live; the same frame again: not taken
    @Test("an event that is both in a page and a frame is written once")
    func pageAndFrame() {
        var state = Self.reader(.replaying)
        #expect(Self.takes(4, &state) == .nothing)
        do {
            let action = state.readPage(last: Self.at(4), head: Self.at(4), isFinal: false)
            #expect(action == .nothing)
        }
        #expect(state.phase == .live)
        #expect(Self.takes(4, &state) == .nothing)
        do {
            let action = state.settle()
            #expect(action == .nothing)
        }
        #expect(Self.takes(5, &state) == .all)
    }

    // store                       loop                          page being read
    //                             replaying, cursor 3           read begins: epoch 1
    // epoch 2
    //                             read again: noted
    //                                                           arrives: nothing new
    //                             reads again: epoch 2
    @Test("a page that began before something unknown happened is followed by another one")
    func readAgain() {
        var state = Self.reader(.replaying)
        let noted = state.readAgain()
        #expect(noted == .nothing)
        let action = state.readPage(last: nil, head: Self.at(3), isFinal: false)
        #expect(action == .read(after: Self.at(3)))
        let last = state.readPage(last: nil, head: Self.at(3), isFinal: false)
        #expect(last == .nothing && state.phase == .live)
    }

    // fan-out                     loop
    // 4, 5 dropped; 6 arrives     live, cursor 3: not taken
    //                             settles: reads behind 3
    @Test("a gap makes a live reader read the log")
    func gap() {
        var state = Self.reader(.live)
        #expect(Self.takes(6, &state) == .nothing)
        do {
            let action = state.settle()
            #expect(action == .read(after: Self.at(3)))
        }
        do {
            let action = state.readPage(last: Self.at(6), head: Self.at(6), isFinal: false)
            #expect(action == .nothing)
        }
        #expect(Self.takes(7, &state) == .all)
    }

    // fan-out                     loop                          connection
    // 4                           live: written
    //                                                           no room
    // 5                           not taken
    //                             settles: behind, waits
    //                                                           room
    //                             reads behind 4
    @Test("a connection without room turns a live reader into one that reads later")
    func noRoom() {
        var state = Self.reader(.live)
        #expect(Self.takes(4, &state) == .all)
        do {
            let action = state.wrote(upTo: Self.at(4), isFinal: false)
            #expect(action == .nothing)
        }
        do {
            let action = state.roomChanged(false)
            #expect(action == .nothing)
        }
        #expect(Self.takes(5, &state) == .nothing)
        do {
            let action = state.settle()
            #expect(action == .nothing)
        }
        #expect(state.phase == .behind)
        do {
            let action = state.roomChanged(true)
            #expect(action == .read(after: Self.at(4)))
        }
    }

    // loop                        page being read
    // replaying                   read begins
    // drained: ended
    //                             arrives
    @Test("a page that arrives behind the end is of no use")
    func lateAfterEnd() {
        var state = Self.reader(.replaying)
        state.end()
        do {
            let action = state.readPage(last: Self.at(4), head: Self.at(4), isFinal: false)
            #expect(action == .nothing)
        }
        #expect(state.cursor == Self.at(3))
    }

    @Test("whatever the schedule, a reader writes 1 to n, once each, in order, and ends", arguments: 0..<40)
    func anySchedule(seed: Int) {
        for round in 0..<100 {
            var world = World(seed: UInt64(seed * 100 + round + 1))
            world.run()
            #expect(world.written == Array(1...world.total), "seed \(seed), round \(round)")
            #expect(world.state.phase == .ended)
        }
    }
}

/// A log that grows, a mailbox that may drop, pages that show the log as it was when they were read, a connection that fills up.
private struct World {
    var state = SubscriberState(after: LogPlace(EventSequence.beforeFirst))
    var written: [Int64] = []
    let total: Int64
    private var generator: Generator
    private var committed: Int64 = 0
    private var mailbox: [Int64] = []
    /// The head that each page under way will show, and where it begins.
    private var reads: [(after: Int64, head: Int64)] = []
    private var hasRoom = false

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

    /// After a while nothing goes wrong any more, so that every schedule comes to an end.
    private mutating func step(isLate: Bool) {
        switch generator.below(6) {
        case 0, 1:
            guard committed < total else { break }
            committed += 1
            // A frame may be dropped, but its job's head then arrives as a gap.
            mailbox.append(generator.below(4) == 0 ? -committed : committed)
        case 2:
            deliver()
        case 3, 4:
            guard !reads.isEmpty else { break }
            arrive(reads.removeFirst())
        default:
            hasRoom = isLate || generator.below(2) == 0
            perform(state.roomChanged(hasRoom))
        }
    }

    /// Consecutive events come as one run, as the shard puts them together.
    private mutating func deliver() {
        var numbers = mailbox[...]
        while let first = numbers.first {
            let run = first < 0 ? numbers.prefix(1) : numbers.prefix { $0 > 0 }
            numbers.removeFirst(run.count)
            let last = abs(run.last ?? first)
            guard first > 0 else {
                state.gap(upTo: Self.place(last))
                continue
            }
            switch state.takes(after: Self.place(first - 1), upTo: Self.place(last)) {
            case .nothing: continue
            case .all: written += run
            case .rest: written += run.filter { Self.place($0) > state.cursor }
            }
            perform(state.wrote(upTo: Self.place(last), isFinal: last == total))
        }
        mailbox = []
        perform(state.settle())
    }

    private static func place(_ number: Int64) -> LogPlace { LogPlace(EventSequence(rawValue: number)) }

    private mutating func arrive(_ read: (after: Int64, head: Int64)) {
        guard state.phase == .replaying else { return }
        let last = min(read.head, read.after + Int64(generator.below(5) + 1))
        if last > read.after { written += Array((read.after + 1)...last) }
        perform(
            state.readPage(
                last: last > read.after ? Self.place(last) : nil, head: Self.place(read.head),
                isFinal: read.head == total))
    }

    private mutating func perform(_ action: SubscriberState.Action) {
        if case .read(let cursor) = action { reads.append((cursor.rawValue, committed)) }
    }
}

/// A linear congruential generator, since its numbers only have to be the same every time.
private struct Generator {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}
