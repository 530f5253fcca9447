import LongtakeCore

/// What this process knows about the durability of directories and files of a ``ContentTree``.
///
/// A directory is synced in its parent once, because directories are never removed. What failed to
/// sync is remembered until the process ends: after a failure the kernel may have dropped the
/// change, and a second sync would succeed without it (fsync(2), and the PostgreSQL wiki, "Fsync
/// Errors").
struct DirectorySyncs {
    /// A directory that holds names of content or of directories.
    enum Place: Hashable {
        case drafts
        case tenants
        case tenant(TenantName)
        /// A directory of content whose hashes begin with the same two digits.
        case prefix(String, of: TenantName)
    }

    private var failed: Set<Place> = []
    private var doubtful: Set<ContentKey> = []
    /// The directories whose names are durable: the prefixes by their tenant.
    private var durable: [TenantName: Set<String>] = [:]

    /// The directories that must be synced after content was renamed into its directory, from the
    /// deepest to the highest.
    func places(for key: ContentKey) -> [Place] {
        let prefix = ContentDirectories.prefix(of: key.hash)
        var places: [Place] = [.prefix(prefix, of: key.tenant)]
        if durable[key.tenant]?.contains(prefix) != true { places.append(.tenant(key.tenant)) }
        if durable[key.tenant] == nil { places.append(.tenants) }
        return places
    }

    func hasFailed(_ place: Place) -> Bool { failed.contains(place) }

    mutating func fail(_ place: Place) { failed.insert(place) }

    /// All of ``places(for:)`` were synced.
    mutating func succeed(for key: ContentKey) {
        durable[key.tenant, default: []].insert(ContentDirectories.prefix(of: key.hash))
    }

    /// Whether a sync of the stored content has failed.
    func isDoubtful(_ key: ContentKey) -> Bool { doubtful.contains(key) }

    mutating func doubt(_ key: ContentKey) { doubtful.insert(key) }

    /// The content was written again or removed.
    mutating func trust(_ key: ContentKey) { doubtful.remove(key) }
}
