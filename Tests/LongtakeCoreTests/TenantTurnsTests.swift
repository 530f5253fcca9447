import LongtakeTesting
import Testing

@testable import LongtakeCore

@Suite("which read runs next")
struct TenantTurnsTests {
    private let a = TenantName(unchecked: "a")
    private let b = TenantName(unchecked: "b")
    private let c = TenantName(unchecked: "c")

    /// The reads that run if each one ends before the next one runs.
    private func drain(_ turns: Turns<String>, endingFirst tenant: TenantName?) -> [String] {
        var (order, ending) = ([String](), tenant)
        while let next = turns.end(of: ending) {
            order.append(next.waiter)
            ending = next.tenant
        }
        return order
    }

    @Test("a hundred waiting reads of one tenant do not delay the first read of another")
    func first() {
        let turns = Turns<String>(width: 1)
        #expect(turns.begin(of: a))
        for number in 1...100 { turns.wait("a\(number)", of: a) }
        turns.wait("b1", of: b)
        turns.wait("own", of: nil)
        #expect(turns.waiting == 102 && turns.waiting(of: a) == 100)
        let order = drain(turns, endingFirst: a)
        #expect(order.prefix(4) == ["b1", "a1", "own", "a2"], "\(order.prefix(4))")
        #expect(order.suffix(99) == (2...100).map { "a\($0)" })
        #expect(turns.waiting == 0 && turns.running == 0)
    }

    @Test("a tenant without running reads goes first, then the tenant with the fewest")
    func fewest() {
        let turns = Turns<String>(width: 3)
        #expect(turns.begin(of: a) && turns.begin(of: a) && turns.begin(of: b))
        #expect(!turns.begin(of: c), "no more reads may run")
        for name in ["a1", "a2"] { turns.wait(name, of: a) }
        turns.wait("b1", of: b)
        turns.wait("c1", of: c)
        #expect(turns.end(of: a)?.waiter == "c1")
        #expect(turns.end(of: c)?.waiter == "a1", "a and b have one read each, and a's turn is first")
        #expect(turns.end(of: b)?.waiter == "b1", "a has two reads running by now")
    }

    @Test("tenants with queues of any length take turns, and each queue keeps its order")
    func turnsByTenant() {
        let turns = Turns<String>(width: 1)
        #expect(turns.begin(of: c))
        for number in 1...3 { turns.wait("a\(number)", of: a) }
        for number in 1...2 { turns.wait("b\(number)", of: b) }
        #expect(drain(turns, endingFirst: c) == ["a1", "b1", "a2", "b2", "a3"])
    }

    @Test("if nothing runs, a read runs at once, whichever tenants had reads before")
    func free() {
        let turns = Turns<String>(width: 2)
        for _ in 1...100 {
            #expect(turns.begin(of: a) && turns.begin(of: b) && !turns.begin(of: a))
            #expect(turns.end(of: a) == nil && turns.end(of: b) == nil)
        }
        #expect(turns.running == 0)
    }

    @Test("the newest read of the longest queue is removed for a tenant with a shorter queue only")
    func room() {
        let turns = Turns<String>(width: 1)
        #expect(turns.makeRoom(for: a) == nil, "no read waits")
        #expect(turns.begin(of: a))
        for number in 1...3 { turns.wait("a\(number)", of: a) }
        #expect(turns.makeRoom(for: a) == nil, "it has the longest queue itself")
        #expect(turns.makeRoom(for: b) == "a3")
        turns.wait("b1", of: b)
        #expect(turns.makeRoom(for: b) == "a2")
        turns.wait("b2", of: b)
        #expect(turns.makeRoom(for: a) == "b2")
        #expect(turns.waiting == 2)
        #expect(drain(turns, endingFirst: a) == ["b1", "a1"])
    }

    @Test("removed reads lose their turn, and no other read does")
    func leaving() {
        let turns = Turns<String>(width: 1)
        #expect(turns.begin(of: c))
        for number in 1...3 { turns.wait("a\(number)", of: a) }
        turns.wait("b1", of: b)
        turns.remove(of: a) { $0 == "a2" }
        turns.remove(of: a) { $0 == "a9" }
        turns.remove(of: b) { $0 == "b1" }
        turns.remove(of: c) { _ in true }
        #expect(turns.waiting == 2)
        turns.wait("c1", of: c)
        #expect(turns.removeAll { $0 == "a1" || $0 == "c1" } == ["a1", "c1"])
        #expect(drain(turns, endingFirst: c) == ["a3"])
        #expect(turns.waiting == 0 && turns.running == 0)
    }

    @Test("in a random history every read runs once, in the order of its tenant, and none waits needlessly")
    func history() {
        var generator = Seeded(state: 7)
        let turns = Turns<Int>(width: 3)
        var (running, begun) = ([TenantName?](), 0)
        var queues: [TenantName?: [Int]] = [:]
        let tenants = [a, b, c, nil]
        for number in 0..<20_000 {
            if generator.next() % 2 == 0 {
                let tenant = tenants[Int(generator.next() % 4)]
                if turns.begin(of: tenant) {
                    running.append(tenant)
                    begun += 1
                } else {
                    turns.wait(number, of: tenant)
                    queues[tenant, default: []].append(number)
                }
            } else if !running.isEmpty {
                let ending = running.remove(at: Int(generator.next() % UInt64(running.count)))
                if let next = turns.end(of: ending) {
                    #expect(queues[next.tenant]?.removeFirst() == next.waiter)
                    running.append(next.tenant)
                    begun += 1
                }
            }
            let waiting = queues.values.reduce(0) { $0 + $1.count }
            #expect(turns.running == running.count && turns.waiting == waiting)
            #expect(waiting == 0 || running.count == 3)
        }
        #expect(begun > 5_000)
    }
}

/// The turns, for expectations that change them.
private final class Turns<Waiter> {
    private var turns: TenantTurns<Waiter>

    init(width: Int) { turns = TenantTurns(width: width) }

    var running: Int { turns.running }
    var waiting: Int { turns.waiting }
    func waiting(of tenant: TenantName?) -> Int { turns.waiting(of: tenant) }
    func begin(of tenant: TenantName?) -> Bool { turns.begin(of: tenant) }
    func wait(_ waiter: Waiter, of tenant: TenantName?) { turns.wait(waiter, of: tenant) }
    func end(of tenant: TenantName?) -> (waiter: Waiter, tenant: TenantName?)? { turns.end(of: tenant) }
    func remove(of tenant: TenantName?, where matches: (Waiter) -> Bool) { turns.remove(of: tenant, where: matches) }
    func removeAll(where matches: (Waiter) -> Bool) -> [Waiter] { turns.removeAll(where: matches) }
    func makeRoom(for tenant: TenantName?) -> Waiter? { turns.makeRoom(for: tenant) }
}
