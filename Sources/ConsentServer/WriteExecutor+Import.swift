// Rows of an import: each a write of its own, which is recorded, recorded before, or refused with all that is
// wrong with it. A row that is refused keeps no other from being recorded.

import ConsentDomain
import ConsentRegister
import WireProtocol

extension WriteExecutor {
    mutating func importRows(
        _ rows: [ImportRowCommand], dryRun: Bool
    ) throws(RegisterError) -> Wire.ImportResponse {
        var response = Wire.ImportResponse()
        for row in rows {
            let command: WriteCommand
            switch row.command {
            case .success(let good): command = good
            case .failure(let bad):
                refuse(row, bad.refusals, &response)
                continue
            }
            switch try execute(command, dryRun: dryRun) {
            case .refused(let findings): refuse(row, findings, &response)
            case .repeated(let events):
                response.repeated += 1
                response.sequence = max(response.sequence, events.map(\.sequence).max() ?? 0)
            case .recorded(let places):
                response.recorded += 1
                if let last = stagedEvents[places].last { response.sequence = last.sequence }
                let isUnproven =
                    dryRun
                    ? try self.isUnproven(command) : stagedEvents[places].first?.kind == .unprovenImport
                guard isUnproven else { continue }
                response.unproven += 1
                response.issues.append(
                    Wire.ImportIssue(index: row.index, refusals: [detail(RefusalFinding(.unprovenImport))]))
            }
        }
        return response
    }

    private mutating func isUnproven(_ command: WriteCommand) throws(RegisterError) -> Bool {
        var copy = command
        return try refusals(of: &copy).isEmpty && copy.kind == .unprovenImport
    }

    private mutating func refuse(
        _ row: ImportRowCommand, _ findings: [RefusalFinding], _ response: inout Wire.ImportResponse
    ) {
        refusedCount += 1
        response.refused += 1
        response.issues.append(
            Wire.ImportIssue(index: row.index, refusals: findings.map(detail)))
    }
}
