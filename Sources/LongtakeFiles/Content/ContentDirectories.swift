import LongtakeCore

/// The directories with the content of all tenants, to read them: `TENANT/ab/ab…` is content. The
/// name is its hash (64 digits), the directory the first two digits of the hash.
struct ContentDirectories: Sendable {
    let tenants: Directory

    /// - Returns: `nil` if nothing was ever stored there.
    /// - Parameter path: the directory of a store.
    static func existing(_ path: String) throws(FileStoreError) -> ContentDirectories? {
        try Directory.existing(path)?.directory("tenants").map { ContentDirectories(tenants: $0) }
    }

    static func prefix(of hash: ContentHash) -> String { String(hash.hex.prefix(2)) }

    /// The directory of the content; `nil` if there is none yet.
    func directory(of key: ContentKey) throws(FileStoreError) -> Directory? {
        try tenants.directory(TenantDirectory.name(of: key.tenant))?.directory(Self.prefix(of: key.hash))
    }

    /// Opens content; `nil` if it does not exist.
    func open(_ key: ContentKey) throws(FileStoreError) -> Descriptor? { try directory(of: key)?.file(key.hash.hex) }

    /// The size of content; `nil` if it does not exist.
    func bytes(of key: ContentKey) throws(FileStoreError) -> Int64? {
        try directory(of: key)?.bytes(of: key.hash.hex)
    }

    /// A part of the tree, and what is beneath it.
    enum Node: Sendable {
        case root
        case tenant(TenantName)
        case prefix(String, of: TenantName)
    }

    /// - Returns: the next nodes, or the content if the node is a prefix. Names that the store does
    ///   not write are ignored.
    func list(_ node: Node) throws(FileStoreError) -> (nodes: [Node], content: [(key: ContentKey, bytes: Int64)]) {
        switch node {
        case .root:
            var nodes: [Node] = []
            for name in try tenants.names() where try tenants.isDirectory(name) {
                if let tenant = TenantDirectory.tenant(of: name) { nodes.append(.tenant(tenant)) }
            }
            return (nodes, [])
        case .tenant(let tenant):
            guard let directory = try tenants.directory(TenantDirectory.name(of: tenant)) else { return ([], []) }
            var nodes: [Node] = []
            for name in try directory.names() where name.utf8.count == 2 {
                if try directory.isDirectory(name) { nodes.append(.prefix(name, of: tenant)) }
            }
            return (nodes, [])
        case .prefix(let prefix, let tenant):
            let directory = try tenants.directory(TenantDirectory.name(of: tenant))?.directory(prefix)
            var content: [(key: ContentKey, bytes: Int64)] = []
            for name in try directory?.names() ?? [] {
                guard let hash = ContentHash(hex: name), Self.prefix(of: hash) == prefix,
                    let bytes = try directory?.bytes(of: name)
                else { continue }
                content.append((ContentKey(tenant: tenant, hash: hash), bytes))
            }
            return ([], content)
        }
    }

    /// Calls `body` for all content, one directory at a time.
    func visit(_ body: (ContentKey, _ bytes: Int64) throws -> Void) throws {
        var nodes: [Node] = [.root]
        while let node = nodes.popLast() {
            let (more, content) = try list(node)
            nodes += more
            for (key, bytes) in content { try body(key, bytes) }
        }
    }
}
