import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("the look whether the writer comes back")
struct WriterWatchTests {
    @Test("it is held once a transaction outlasts some looks, and no longer once that ends")
    func held() {
        var watch = WriterWatch()
        watch.look()
        watch.begin()
        for _ in 1...WriterWatch.heldLooks {
            watch.look()
            #expect(!watch.isHeld)
        }
        watch.look()
        #expect(watch.isHeld)
        watch.end()
        #expect(!watch.isHeld)
    }

    @Test("many short transactions are not one long one")
    func short() {
        var watch = WriterWatch()
        for _ in 1...100 {
            watch.begin()
            watch.look()
            #expect(!watch.isHeld)
            watch.end()
        }
    }

    @Test("what a request asks for is turned away while it is held; what the engine writes is not")
    func turnsAway() {
        let (watch, asked) = (Self.held(), [Self.command(.submission), Self.command(.probe), Self.cancel()])
        for command in asked { #expect(watch.turnsAway(command) && !WriterWatch().turnsAway(command)) }
        for kind in [CommandKind.report, .other, .vital, .chore] { #expect(!watch.turnsAway(Self.command(kind))) }
    }

    @Test("what is under way is told of once: a probe at once, the others after their time, the engine's never")
    func abandoned() {
        var watch = Self.held(with: [.submission, .probe, .vital].map(Self.command) + [Self.cancel()])
        #expect(watch.abandoned().map(\.kind) == [.probe])
        #expect(watch.abandoned().isEmpty)
        for _ in watch.looks..<(WriterWatch.answerLooks - 1) { watch.look() }
        #expect(watch.abandoned().isEmpty)
        watch.look()
        #expect(watch.abandoned().map(\.kind) == [.submission, .vital])
        #expect(watch.abandoned().isEmpty && !watch.isIdle)
    }

    private static func held(with batch: [WriteCommand] = []) -> WriterWatch {
        var watch = WriterWatch()
        watch.take(batch)
        watch.begin()
        while !watch.isHeld { watch.look() }
        return watch
    }

    private static func cancel() -> WriteCommand {
        var command = command(.vital)
        command.deadline = .now
        return command
    }

    private static func command(_ kind: CommandKind) -> WriteCommand {
        WriteCommand(kind: kind) { _, _ in
            {}
        } fail: { _ in
        }
    }
}
