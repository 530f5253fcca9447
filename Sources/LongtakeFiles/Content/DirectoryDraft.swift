import LongtakeCore
import Synchronization

/// A draft of a ``DirectoryFileStore``. It is dropped after the first error, when it is discarded,
/// and when its last reference goes away.
final class DirectoryDraft: FileDraft {
    private let store: DirectoryFileStore
    private let tenant: TenantName
    /// `nil` while a call works with the file, and after the end.
    private let file: Mutex<DraftFile?>

    init(_ file: DraftFile, for tenant: TenantName, in store: DirectoryFileStore) {
        self.file = Mutex(file)
        self.tenant = tenant
        self.store = store
    }

    deinit {
        if let file = file.withLock({ $0 }) { store.drop(file.name) }
    }

    func write(_ bytes: [UInt8]) async throws(FileStoreError) {
        let draft = try take()
        do throws(FileStoreError) {
            let written = try await store.threads.run { () throws(FileStoreError) in
                var draft = draft
                try draft.append(bytes)
                return draft
            }
            file.withLock { $0 = written }
        } catch {
            store.drop(draft.name)
            throw error
        }
    }

    func keep() async throws(FileStoreError) -> any KeptContent { try await store.publish(try take(), for: tenant) }

    func discard() async {
        guard let draft = try? take() else { return }
        _ = try? await store.threads.run { [drafts = store.tree.drafts] () throws(FileStoreError) in
            try drafts.unlink(draft.name)
        }
    }

    private func take() throws(FileStoreError) -> DraftFile {
        guard let draft = file.withLock({ $0.take() }) else { throw .failed("the upload has ended") }
        return draft
    }
}
