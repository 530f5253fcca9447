import LongtakeAPI
import Testing

@testable import LongtakeStream

/// In ticks of a wheel: a heartbeat after 60, a write timeout after 40.
@Suite struct StreamDeadlinesTests {
    /// Advances to the next callback, as the wheel does.
    private func next(_ deadlines: inout StreamDeadlines, from now: Int) throws -> (tick: Int, due: StreamDeadlines.Due)
    {
        let callback = deadlines.nextCallback(at: now)
        let tick = try #require(callback)
        return (tick, deadlines.due(at: tick))
    }

    private func expectNext(
        _ deadlines: inout StreamDeadlines, from now: Int, is tick: Int, _ due: StreamDeadlines.Due,
        _ source: SourceLocation = #_sourceLocation
    ) throws {
        let found = try next(&deadlines, from: now)
        #expect(found == (tick, due), sourceLocation: source)
    }

    /// `#expect` does not accept calls of mutating functions.
    private func expect(_ tick: Int?, _ expected: Int?, _ source: SourceLocation = #_sourceLocation) {
        #expect(tick == expected, sourceLocation: source)
    }

    @Test("a quiet stream sends a heartbeat, and each write postpones it")
    func heartbeat() throws {
        var deadlines = StreamDeadlines(now: 100, heartbeat: 60, writeTimeout: 40)
        expect(deadlines.nextCallback(at: 100), 160)
        deadlines.wrote(at: 130)
        expect(deadlines.nextCallback(at: 130), nil)
        #expect(deadlines.due(at: 160) == .nothing)
        try expectNext(&deadlines, from: 160, is: 190, .heartbeat)
    }

    @Test("the write timeout expires if the kernel takes nothing, and not if it takes a little")
    func writing() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writeTimeout: 40)
        _ = deadlines.nextCallback(at: 0)
        deadlines.wrote(at: 10)
        deadlines.piecesQueued(at: 10)
        expect(deadlines.nextCallback(at: 10), 50)
        deadlines.wrote(at: 30)
        deadlines.piecesQueued(at: 30)
        deadlines.pieceWritten(at: 45)
        #expect(deadlines.due(at: 50) == .nothing, "the kernel took the first piece at 45")
        try expectNext(&deadlines, from: 50, is: 85, .writeTimeout)
        deadlines.pieceWritten(at: 84)
        #expect(deadlines.due(at: 85) == .nothing, "the kernel has taken everything")
        try expectNext(&deadlines, from: 85, is: 90, .heartbeat)
    }

    @Test("heartbeats to a client that reads nothing do not postpone the write timeout")
    func stuckHeartbeats() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 5, writeTimeout: 40)
        var (now, ends) = (0, false)
        deadlines.piecesQueued(at: 0)
        while !ends, now < 1_000 {
            let (tick, due) = try next(&deadlines, from: now)
            now = tick
            if due == .heartbeat {
                deadlines.wrote(at: now)
                deadlines.piecesQueued(at: now)
            }
            ends = due == .writeTimeout
        }
        #expect(now == 40)
    }

    @Test("a probe sends a heartbeat at its tick despite earlier writes, and a later write replaces it")
    func probe() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writeTimeout: 40)
        _ = deadlines.nextCallback(at: 0)
        deadlines.probe(at: 14)
        deadlines.wrote(at: 10)
        try expectNext(&deadlines, from: 10, is: 14, .heartbeat)
        deadlines.wrote(at: 14)
        try expectNext(&deadlines, from: 14, is: 74, .heartbeat)
        deadlines.probe(at: 80)
        deadlines.wrote(at: 80)
        try expectNext(&deadlines, from: 80, is: 140, .heartbeat)
    }

    @Test("the earlier of two ends counts, with its reason")
    func earlierEnd() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writeTimeout: 40)
        deadlines.end(byTick: 20, .maxAge)
        deadlines.end(byTick: 30, .unauthorized)
        try expectNext(&deadlines, from: 0, is: 20, .end(.maxAge))
        deadlines.end(byTick: 10, .unauthorized)
        try expectNext(&deadlines, from: 0, is: 10, .end(.unauthorized))
    }

    @Test("an end comes at its tick, a later call replaces it, and a write timeout comes first")
    func end() throws {
        var deadlines = StreamDeadlines(now: 0, heartbeat: 60, writeTimeout: 40)
        _ = deadlines.nextCallback(at: 0)
        deadlines.end(at: 500, .maxAge)
        expect(deadlines.nextCallback(at: 0), nil)
        deadlines.end(at: 20, .draining)
        try expectNext(&deadlines, from: 5, is: 20, .end(.draining))
        #expect(deadlines.due(at: 60) == .nothing, "the old callback means nothing")
        var stuck = StreamDeadlines(now: 0, heartbeat: 60, writeTimeout: 40)
        stuck.piecesQueued(at: 0)
        stuck.end(at: 40, .maxAge)
        try expectNext(&stuck, from: 1, is: 40, .writeTimeout)
    }
}
