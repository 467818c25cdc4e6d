import { useQuery } from "@tanstack/react-query";
import { projectsQuery } from "./queries";

/** One of the projects; undefined while they are not read. Renders only with this one's changes. */
export const useProject = (projectId: string) =>
  useQuery({ ...projectsQuery, select: (all) => all.find(({ id }) => id === projectId) }).data;
