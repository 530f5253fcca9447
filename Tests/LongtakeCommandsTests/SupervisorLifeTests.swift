import Testing

@testable import LongtakeCommands

@Suite struct SupervisorLifeTests {
    private let now = ContinuousClock.now
    private let launch = SupervisorLaunch(
        program: ProgramLaunch(
            arguments: ["true"], environment: ["A": "é\n"], workingDirectory: "/", inputFile: nil,
            confinement: .init(isEnforced: true, readPaths: ["/a"], writePaths: []), maximumFileBytes: nil),
        cgroup: nil)

    private func running() -> SupervisorLife {
        var life = SupervisorLife()
        #expect(life.receive(.launch(launch), at: now) == .start(launch))
        return life
    }

    @Test("starts one program")
    func start() {
        var life = running()
        #expect(life.receive(.launch(launch), at: now) == .none)
        #expect(life.deadline == nil)
        #expect(life.check(at: now + .seconds(1000)) == .none)
    }

    @Test("a later stop can only shorten the grace")
    func grace() {
        var life = running()
        #expect(life.receive(.stop(graceMilliseconds: 5000), at: now) == .terminate)
        #expect(life.deadline == now + .seconds(5))
        #expect(life.receive(.stop(graceMilliseconds: 9000), at: now) == .none)
        #expect(life.deadline == now + .seconds(5))
        #expect(life.receive(.stop(graceMilliseconds: -1), at: now + .seconds(1)) == .none)
        #expect(life.deadline == now + .seconds(1))
        #expect(life.check(at: now + .milliseconds(999)) == .none)
        #expect(life.check(at: now + .seconds(1)) == .end)
        #expect(life.isStopRequested)
    }

    @Test("ends once, by whatever comes first")
    func ends() {
        let causes: [(inout SupervisorLife) -> SupervisorLife.Action] = [
            { $0.inputEnded() }, { $0.programEnded() }, { $0.receive(.kill, at: .now) },
        ]
        for first in causes {
            for second in causes {
                var life = running()
                #expect(first(&life) == .end)
                #expect(second(&life) == .none)
            }
        }
    }

    @Test("a program that ends by itself was not stopped")
    func byItself() {
        var life = running()
        #expect(life.programEnded() == .end)
        #expect(!life.isStopRequested)
        #expect(life.receive(.kill, at: now) == .none)
    }

    @Test("ends without a program when it is stopped before the launch")
    func early() {
        for order in [SupervisorOrder.kill, .stop(graceMilliseconds: 1000)] {
            var life = SupervisorLife()
            #expect(life.receive(order, at: now) == .end)
            #expect(life.receive(.launch(launch), at: now) == .none)
        }
        var life = SupervisorLife()
        #expect(life.inputEnded() == .end)
    }

    // MARK: Frames

    @Test("decodes messages that arrive in pieces, one after the other")
    func frames() throws {
        let orders = [SupervisorOrder.launch(launch), .stop(graceMilliseconds: 10), .kill]
        var frames = SupervisorFrames()
        var decoded: [SupervisorOrder] = []
        for byte in try orders.flatMap(SupervisorFrames.encode) {
            frames.append([byte])
            while let order = try frames.next(SupervisorOrder.self) { decoded.append(order) }
        }
        #expect(decoded == orders)
    }

    @Test("refuses a message that is too long or no message")
    func invalid() {
        var frames = SupervisorFrames()
        frames.append([0xff, 0, 0, 0])
        #expect(throws: SupervisorFrames.Invalid.self) { try frames.next(SupervisorOrder.self) }
        frames = SupervisorFrames()
        frames.append([0, 0, 0, 2] + Array("{}".utf8))
        #expect(throws: DecodingError.self) { try frames.next(SupervisorOrder.self) }
        #expect(throws: SupervisorFrames.Invalid.self) {
            try SupervisorFrames.encode(String(repeating: "x", count: SupervisorFrames.maximumBytes))
        }
    }
}
