import { useQuery } from "@tanstack/react-query";
import { membersQuery } from "../../api/queries";
import { Notice } from "../../components/Notice";
import { plain } from "../../components/plain";

export function Members() {
  const members = useQuery(membersQuery);
  return (
    <section className="panel">
      <h2>Members</h2>
      <Notice error={members.error} />
      <ul className="lines">
        {members.data?.map((member) => (
          <li key={member.id}>
            <span>
              <strong>{plain(member.name)}</strong>
              <span className="quiet">{member.role}</span>
            </span>
            <span className="quiet">
              {member.running} running
              {member.max_running !== null && `, ${member.max_running} at most`}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
