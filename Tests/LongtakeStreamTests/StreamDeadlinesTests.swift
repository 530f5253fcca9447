import LongtakeAPI
import Testing

@testable import LongtakeStream

/// Ticks of a wheel, with 60 between two signs of life and 40 for a write.
@Suite struct StreamDeadlinesTests {
    /// Goes on to the next appointment, as the wheel does.
    private func next(_ deadlines: inout StreamDeadlines, from now: Int) throws -> (tick: Int, due: StreamDeadlines.Due)
    {
        let appointment = deadlines.appointment(at: now)
        let tick = try #require(appointment)
        return (tick, deadlines.due(at: tick))
    }

    private func expectNext(
        _ deadlines: inout StreamDeadlines, from now: Int, is tick: Int, _ due: StreamDeadlines.Due,
        _ source: SourceLocation = #_sourceLocation
    ) throws {
        let found = try next(&deadlines, from: now)
        #expect(found == (tick, due), sourceLocation: source)
    }

    /// `#expect` takes no calls that change something.
    private func expect(_ tick: Int?, _ expected: Int?, _ source: SourceLocation = #_sourceLocation) {
        #expect(tick == expected, sourceLocation: source)
    }

    @Test("a quiet stream says that it lives, and each write puts that off")
    func heartbeat() throws {
        var deadlines = StreamDeadlines(now: 100, heartbeat: 60, writing: 40)
        expect(deadlines.appointment(at: 100), 160)
        deadlines.wrote(at: 130)
        expect(deadlines.appointment(at: 130), nil)
        #expect(deadlines.due(at: 160) == .nothing)
        try expectNext(&deadlines, from: 160, is: 190, .heartbeat)
    }

    @Test("a reader whose kernel takes nothing for the whole time is given up, one that takes a little is not")
    func writing() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writing: 40)
        _ = deadlines.appointment(at: 0)
        deadlines.wrote(at: 10)
        deadlines.kernelRefused(at: 10)
        expect(deadlines.appointment(at: 10), 50)
        deadlines.wrote(at: 30)
        deadlines.kernelRefused(at: 30)
        deadlines.kernelTook(at: 45)
        #expect(deadlines.due(at: 50) == .nothing, "the first of the two was taken at 45")
        try expectNext(&deadlines, from: 50, is: 85, .giveUp)
        deadlines.kernelTook(at: 84)
        #expect(deadlines.due(at: 85) == .nothing, "all is taken")
        try expectNext(&deadlines, from: 85, is: 90, .heartbeat)
    }

    @Test("signs of life to a reader that is stuck do not put its end off")
    func stuckHeartbeats() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 5, writing: 40)
        var (now, ends) = (0, false)
        deadlines.kernelRefused(at: 0)
        while !ends, now < 1_000 {
            let (tick, due) = try next(&deadlines, from: now)
            now = tick
            if due == .heartbeat {
                deadlines.wrote(at: now)
                deadlines.kernelRefused(at: now)
            }
            ends = due == .giveUp
        }
        #expect(now == 40)
    }

    @Test("a probe is a sign of life at its tick, whatever was written before, and any write behind it stands for it")
    func probe() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writing: 40)
        _ = deadlines.appointment(at: 0)
        deadlines.probe(at: 14)
        deadlines.wrote(at: 10)
        try expectNext(&deadlines, from: 10, is: 14, .heartbeat)
        deadlines.wrote(at: 14)
        try expectNext(&deadlines, from: 14, is: 74, .heartbeat)
        deadlines.probe(at: 80)
        deadlines.wrote(at: 80)
        try expectNext(&deadlines, from: 80, is: 140, .heartbeat)
    }

    @Test("of two ends the earlier counts, with its reason")
    func earlierEnd() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writing: 40)
        deadlines.end(byTick: 20, .maxAge)
        deadlines.end(byTick: 30, .unauthorized)
        try expectNext(&deadlines, from: 0, is: 20, .end(.maxAge))
        deadlines.end(byTick: 10, .unauthorized)
        try expectNext(&deadlines, from: 0, is: 10, .end(.unauthorized))
    }

    @Test("an end comes at its tick, the last word on it counts, and a stuck reader is not told")
    func end() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writing: 40)
        _ = deadlines.appointment(at: 0)
        deadlines.end(at: 500, .maxAge)
        expect(deadlines.appointment(at: 0), nil)
        deadlines.end(at: 20, .draining)
        try expectNext(&deadlines, from: 5, is: 20, .end(.draining))
        #expect(deadlines.due(at: 60) == .nothing, "the old appointment comes back and means nothing")
        var stuck = StreamDeadlines(now: 0, heartbeat: 60, writing: 40)
        stuck.kernelRefused(at: 0)
        stuck.end(at: 40, .maxAge)
        try expectNext(&stuck, from: 1, is: 40, .giveUp)
    }
}
