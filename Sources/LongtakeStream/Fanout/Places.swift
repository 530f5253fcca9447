/// How many places are taken, in all and by each owner.
struct Places: Sendable {
    private(set) var taken = 0
    private var byOwner: [String: Int] = [:]

    /// Takes one, where neither all nor those of the owner are taken.
    mutating func take(for owner: String?, most: Int, mostOfOwner: Int) -> Bool {
        guard taken < most else { return false }
        if let owner {
            guard byOwner[owner, default: 0] < mostOfOwner else { return false }
            byOwner[owner, default: 0] += 1
        }
        taken += 1
        return true
    }

    mutating func giveBack(of owner: String?) {
        taken -= 1
        guard let owner, let count = byOwner[owner] else { return }
        byOwner[owner] = count > 1 ? count - 1 : nil
    }
}
