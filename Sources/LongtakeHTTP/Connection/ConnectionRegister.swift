import NIOCore
import Synchronization

/// All open connections, so that a stop reaches each on its loop, and how many there may be.
final class ConnectionRegister: Sendable {
    private struct Entry: Sendable {
        let channel: any Channel
        let handler: NIOLoopBound<ConnectionHandler>
    }

    private struct State: Sendable {
        var entries: [ObjectIdentifier: Entry] = [:]
        var isDraining = false
        var whenEmpty: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { whenEmpty = [] }
            return whenEmpty
        }
    }

    private let state = Mutex(State())
    private let most: Int
    /// The connections between two requests.
    let idle: IdleRegister<ConnectionHandler>

    /// - Parameter loops: all event loops that connections will be on.
    init(most: Int, loops: [any EventLoop]) {
        self.most = most
        idle = IdleRegister(loops: loops)
    }

    /// Makes sure that there is a place for a new connection. Called on its loop. If all places are taken, a connection that waits for its
    /// next request has to go, whichever loop it is on.
    /// - Returns: whether there is a place.
    func makeRoom(on loop: any EventLoop) -> Bool {
        guard count >= most else { return true }
        return idle.makeRoom(on: loop) { $0.makeRoom() }
    }

    func add(_ handler: ConnectionHandler, on channel: any Channel) {
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        let isDraining = state.withLock { state in
            state.entries[ObjectIdentifier(handler)] = Entry(channel: channel, handler: bound)
            return state.isDraining
        }
        if isDraining { channel.eventLoop.execute { bound.value.drain() } }
    }

    func remove(_ handler: ConnectionHandler) {
        let id = ObjectIdentifier(handler)
        let waiters = state.withLock { state in
            state.entries[id] = nil
            return state.entries.isEmpty ? state.takeWaiters() : []
        }
        for waiter in waiters { waiter.resume() }
    }

    var count: Int { state.withLock { $0.entries.count } }

    /// No connection takes another request; those between two requests close now.
    func drain() {
        let entries = state.withLock { state in
            state.isDraining = true
            return Array(state.entries.values)
        }
        for entry in entries { entry.channel.eventLoop.execute { entry.handler.value.drain() } }
    }

    /// Waits until the last connection has closed, `deadline` at the most: the time that answers under way get at a stop.
    func emptied(within deadline: TimeAmount, on loop: any EventLoop) async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.entries.isEmpty { state.whenEmpty.append(continuation) }
                return state.entries.isEmpty
            }
            if isEmpty { return continuation.resume() }
            loop.scheduleTask(in: deadline) {
                for waiter in self.state.withLock({ $0.takeWaiters() }) { waiter.resume() }
            }
        }
    }

    func closeAll() {
        for entry in state.withLock({ Array($0.entries.values) }) { entry.channel.close(promise: nil) }
    }
}
