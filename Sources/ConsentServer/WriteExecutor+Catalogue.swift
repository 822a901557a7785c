// Changes to the catalogue: validated against what is on file, then recorded as events.

import ConsentDomain
import ConsentRegister
import ConsentWire
import WireProtocol

extension WriteExecutor {
    /// Executes a change to the catalogue.
    mutating func changeCatalogue(_ job: WriteJob) throws(RegisterError) -> Completion {
        let catalogue = register.catalogue
        var event = ConsentEvent(kind: .controllerPut, occurredAt: now, recordedAt: now)
        event.client = job.call.clientName
        let change: CatalogueChange
        do throws(CatalogueError) {
            switch job.operation {
            case .putController(let controller):
                change = try catalogue.change(putting: controller)
                event.controller = controller.id
            case .putPurpose(let purpose):
                change = try catalogue.change(putting: purpose)
                event.kind = .purposePut
            case .putNotice(let notice):
                change = try catalogue.change(putting: notice)
                event.kind = .noticePut
                event.notice = notice.id
            case .invalidateNotice(let id, let reason, let effective):
                change = try catalogue.change(
                    invalidating: NoticeInvalidation(id: id, reason: reason, effective: effective))
                event.kind = .noticeInvalidated
                event.notice = id
                event.noticeOrdinal = catalogue.notices[id]?.ordinal ?? 0
                event.occurredAt = effective
            case .write, .importRows, .retireLapsed: preconditionFailure("not a change to the catalogue")
            }
        } catch {
            return Completion(job.call, .invalidArgument, "\(error)", notExecuted: true)
        }
        var answer = Wire.CatalogueChange()
        answer.notice = event.notice.map(Wire.Bytes32.init)
        switch change {
        case .unchanged:
            answer.unchanged = true
            answer.sequence = catalogue.sequence
        case .changed(let payload):
            event.payload = payload
            changedCatalogue = true
            answer.sequence = try stage(event)
        }
        let response = answer
        return Completion(job.call) { response.encode(into: &$0) }
    }
}
