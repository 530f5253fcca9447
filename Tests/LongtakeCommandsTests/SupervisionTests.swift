import Testing

@testable import LongtakeCommands

@Suite struct SupervisionTests {
    @Test("knows the end that the supervisor told, once the connection has closed")
    func ends() {
        var supervision = Supervision()
        #expect(supervision.isStarting)
        #expect(supervision.receive(.started(pid: 7)) == true)
        #expect(!supervision.isStarting)
        #expect(supervision.receive(.ended(.exited(status: 3), left: 0)) == false)
        #expect(supervision.result == nil)
        #expect(supervision.connectionClosed() == .reap)
        supervision.finish()
        #expect(supervision.result == .success(.exited(status: 3)))
    }

    @Test("knows why the program did not start")
    func fails() {
        var supervision = Supervision()
        #expect(supervision.receive(.failed(.notConfined("no"))) == false)
        #expect(supervision.connectionClosed() == .reap)
        supervision.finish()
        #expect(supervision.result == .failure(.notConfined("no")))
    }

    @Test("the daemon kills what a dead supervisor has left")
    func dies() {
        var supervision = Supervision()
        #expect(supervision.connectionClosed() == .kill)
        _ = supervision.receive(.started(pid: 7))
        #expect(supervision.connectionClosed() == .kill)
        supervision.finish()
        #expect(supervision.result == .success(.unknown))
    }

    @Test("the daemon kills what a supervisor could not kill, and keeps the end that it told")
    func givesUp() {
        var supervision = Supervision()
        _ = supervision.receive(.started(pid: 7))
        _ = supervision.receive(.ended(.exited(status: 0), left: 2))
        #expect(supervision.connectionClosed() == .kill)
        supervision.finish()
        #expect(supervision.result == .success(.exited(status: 0)))
    }

    @Test("ignores a report that is out of order")
    func order() {
        var supervision = Supervision()
        _ = supervision.receive(.ended(.exited(status: 0), left: 0))
        #expect(supervision.isStarting)
        #expect(supervision.receive(.started(pid: 7)) == true)
        #expect(supervision.receive(.started(pid: 8)) == false)
        _ = supervision.receive(.failed(.failed("late")))
        supervision.finish()
        #expect(supervision.result == .success(.unknown))
    }
}
