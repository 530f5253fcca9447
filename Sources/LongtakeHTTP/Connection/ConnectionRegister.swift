import NIOCore
import Synchronization

/// All open connections. It enforces their limit, and reaches each connection when the daemon shuts
/// down.
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
    private let limit: Int
    /// The connections that wait for their next request.
    let idle: IdleRegister<ConnectionHandler>

    /// - Parameter loops: the event loops of all connections.
    init(limit: Int, loops: [any EventLoop]) {
        self.limit = limit
        idle = IdleRegister(loops: loops)
    }

    /// Makes room for a new connection. If the limit is reached, an idle connection of any event
    /// loop closes.
    /// - Parameter loop: the new connection's event loop, on which this must be called.
    /// - Returns: whether the new connection may stay.
    func makeRoom(on loop: any EventLoop) -> Bool {
        guard count >= limit else { return true }
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

    /// Whether the daemon shuts down.
    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Makes all connections refuse further requests. Idle connections close now.
    func drain() {
        let entries = state.withLock { state in
            state.isDraining = true
            return Array(state.entries.values)
        }
        for entry in entries { entry.channel.eventLoop.execute { entry.handler.value.drain() } }
    }

    /// Waits until the last connection has closed, at most for `deadline`. During shutdown,
    /// responses have this long to finish.
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

/// The idle connections of all event loops. They close when new connections need room.
///
/// Each event loop has its own list and is the only one to use it. The lengths of the lists are
/// visible to all loops. So a loop that has no idle connection finds one of another loop.
final class IdleRegister<Connection>: Sendable {
    private final class LoopList: Sendable {
        let loop: any EventLoop
        let connections: NIOLoopBoundBox<IdleConnections<Connection>>
        /// `reserved` counts connections that other loops have asked to close and that are still
        /// open.
        let counts = Mutex((idle: 0, reserved: 0))

        init(_ loop: any EventLoop) {
            self.loop = loop
            connections = .makeBoxSendingValue(.init(), eventLoop: loop)
        }

        var unreserved: Int { counts.withLock { $0.idle - $0.reserved } }

        /// Reserves a connection that is not reserved yet.
        /// - Returns: whether there was one.
        func reserve() -> Bool {
            counts.withLock { counts in
                guard counts.idle > counts.reserved else { return false }
                counts.reserved += 1
                return true
            }
        }

        /// Publishes the length of the list. Must be called on the loop.
        func updateCount() { counts.withLock { $0.idle = connections.value.count } }
    }

    private let lists: [ObjectIdentifier: LoopList]

    init(loops: [any EventLoop]) {
        lists = Dictionary(uniqueKeysWithValues: loops.map { (ObjectIdentifier($0), LoopList($0)) })
    }

    /// Adds a connection that waits for its next request. Must be called on its loop.
    func add(_ connection: Connection, on loop: any EventLoop) -> IdleConnections<Connection>.EntryID? {
        guard let list = lists[ObjectIdentifier(loop)] else { return nil }
        defer { list.updateCount() }
        return list.connections.value.add(connection)
    }

    /// Removes a connection that no longer waits. Must be called on its loop.
    func remove(_ entry: IdleConnections<Connection>.EntryID, on loop: any EventLoop) {
        guard let list = lists[ObjectIdentifier(loop)] else { return }
        list.connections.value.remove(entry)
        list.updateCount()
    }

    /// Closes the connection that has been idle longest on this loop. If this loop has none, a
    /// connection of the loop with the most idle connections closes soon.
    /// - Parameter close: called on the event loop of the connection.
    /// - Returns: whether there is such a connection.
    func makeRoom(on loop: any EventLoop, _ close: @escaping @Sendable (Connection) -> Void) -> Bool {
        if let list = lists[ObjectIdentifier(loop)], list.unreserved > 0, let own = list.connections.value.popLongest()
        {
            list.updateCount()
            close(own)
            return true
        }
        let others = lists.values.map { (list: $0, count: $0.unreserved) }.filter { $0.count > 0 }
        for (list, _) in others.sorted(by: { $0.count > $1.count }) where list.reserve() {
            list.loop.execute {
                list.counts.withLock { $0.reserved -= 1 }
                // The connection may have started a request meanwhile. Then one connection too many
                // is open, and the next new one makes room.
                guard let longest = list.connections.value.popLongest() else { return }
                list.updateCount()
                close(longest)
            }
            return true
        }
        return false
    }
}

/// The idle connections of one event loop, ordered by the time that they have waited.
///
/// A server may close an idle connection at any time, and clients must expect that (RFC 9112
/// §9.3.1). So a client that holds many idle connections cannot keep others out.
struct IdleConnections<Connection> {
    typealias EntryID = UInt64

    private var entries: [EntryID: Connection] = [:]
    /// The entries in the order of their arrival, including removed ones.
    private var order = CircularBuffer<EntryID>()
    private var last: EntryID = 0

    var count: Int { entries.count }

    mutating func add(_ connection: Connection) -> EntryID {
        last += 1
        entries[last] = connection
        order.append(last)
        // Removed entries are at most about as many as the others, so a busy connection uses no
        // more memory.
        if order.count > 2 * entries.count + 16 { order = CircularBuffer(order.filter { entries[$0] != nil }) }
        return last
    }

    mutating func remove(_ entry: EntryID) { entries[entry] = nil }

    /// Removes the connection that has waited longest.
    mutating func popLongest() -> Connection? {
        while let entry = order.popFirst() {
            if let connection = entries.removeValue(forKey: entry) { return connection }
        }
        return nil
    }

    /// The number of stored entries, including removed ones.
    var storedEntries: Int { order.count }
}
